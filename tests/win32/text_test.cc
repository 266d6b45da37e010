// Text and identities as they cross the C API.
#include "text.h"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include <cairn/uuid.h>

namespace cairn::win32 {
namespace {

TEST(WideText, EveryCharacterComesBackFromUtf8) {
  std::wstring all;
  for (wchar_t point = 1; point <= 0x10FFFF; ++point) {
    if (point < 0xD800 || point > 0xDFFF) all.push_back(point);
  }
  const auto utf8 = utf8_of(all);
  ASSERT_TRUE(utf8);
  EXPECT_EQ(utf8->size(), 0x7Fu + 0x780u * 2 + (0xF800u - 0x800u) * 3 + 0x100000u * 4);
  EXPECT_TRUE(wide_of(*utf8) == all);
  EXPECT_EQ(utf8_of(L"\u00e9\u20ac\U0001F600"), "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
}

TEST(WideText, WhatIsNoCharacterIsRefused) {
  for (const wchar_t wrong : {wchar_t{0xD800}, wchar_t{0xDFFF}, wchar_t{0x110000}, wchar_t{-1}}) {
    EXPECT_FALSE(utf8_of(std::wstring(L"a") + wrong));
  }
}

TEST(WideText, BytesThatAreNoUtf8AreShownAsReplaced) {
  EXPECT_EQ(wide_of("a\xFFz"), L"a\uFFFDz");
  EXPECT_EQ(wide_of("\xC3"), L"\uFFFD");              // cut off
  EXPECT_EQ(wide_of("\xC0\xAF"), L"\uFFFD\uFFFD");    // longer than need be
  EXPECT_EQ(wide_of("\xE0\x80\xAF").size(), 3u);      // the same
  EXPECT_EQ(wide_of("\xED\xA0\x80").size(), 3u);      // a surrogate
  EXPECT_EQ(wide_of("\xF4\x90\x80\x80").size(), 4u);  // above U+10FFFF
}

TEST(Guid, AndUuidAreWrittenAlike) {
  const Uuid id = *Uuid::parse("00112233-4455-6677-8899-aabbccddeeff");
  const GUID guid = guid_of(id);
  EXPECT_EQ(guid.Data1, 0x00112233u);
  EXPECT_EQ(guid.Data2, 0x4455);
  EXPECT_EQ(guid.Data3, 0x6677);
  EXPECT_EQ(guid.Data4[0], 0x88);
  EXPECT_EQ(guid.Data4[7], 0xff);
  EXPECT_EQ(uuid_of(guid), id);
}

TEST(LogNames, ArePathsWithAStreamBehindTwoColons) {
  EXPECT_EQ(parse_log_name(L"/var/log/app")->path, "/var/log/app");
  EXPECT_EQ(parse_log_name(L"/var/log/app")->stream, "");
  EXPECT_EQ(parse_log_name(L"log:/a/b::orders")->path, "/a/b");
  EXPECT_EQ(parse_log_name(L"log:/a/b::orders")->stream, "orders");
  EXPECT_EQ(parse_log_name(L"relative::s::t")->stream, "s::t");
  EXPECT_EQ(parse_log_name(L"/\u00fc")->path, "/\xC3\xBC");
  EXPECT_EQ(parse_log_name(L"LoG:/a")->path, "/a");
  for (const wchar_t* wrong : {L"", L"log:", L"::s", L"log:::s", L"/a::", L"/\xD800", L"/a:::s"}) {
    EXPECT_FALSE(parse_log_name(wrong));
  }
  EXPECT_TRUE(parse_log_name(L"/a::" + std::wstring(255, L's')));
  EXPECT_FALSE(parse_log_name(L"/a::" + std::wstring(256, L's')));
}

}  // namespace
}  // namespace cairn::win32
