// The reference resource manager's records: read as written, and never read from cut bytes.
#include "kv/kv_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cairn::examples {
namespace {

using testing::HasSubstr;

KvRecord sample() {
  return {.transaction_manager = Uuid::generate(),
          .transaction = Uuid::generate(),
          .enlistment = Uuid::generate(),
          .writes = {
              {"a", "1"}, {"b", std::nullopt}, {"", ""}, {std::string("n\0l", 3), "long value"}}};
}

TEST(KvRecord, IsReadAsWritten) {
  const KvRecord record = sample();
  const KvRecord read = decode(encode(record)).value();
  EXPECT_EQ(read.transaction_manager, record.transaction_manager);
  EXPECT_EQ(read.transaction, record.transaction);
  EXPECT_EQ(read.enlistment, record.enlistment);
  EXPECT_EQ(read.writes, record.writes);
}

TEST(KvRecord, WithoutWritesIsItsHeader) {
  EXPECT_EQ(encode(KvRecord{}).size(), kKvHeaderSize);
  EXPECT_TRUE(decode(encode(KvRecord{})).value().writes.empty());
}

TEST(KvRecord, EveryCutIsAnErrorOrLacksTheWritesBehindIt) {
  const KvRecord record = sample();
  const std::vector<std::byte> bytes = encode(record);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto cut = decode(std::span(bytes).first(size));
    if (cut.is_ok()) {
      EXPECT_LT(cut->writes.size(), record.writes.size()) << size;
    } else {
      EXPECT_EQ(cut.code(), StatusCode::kCorrupt) << size;
      EXPECT_THAT(cut.status().message(), HasSubstr("expected")) << size;
    }
  }
}

TEST(KvRecord, LengthsBeyondTheBytesAreAnError) {
  KvRecord record;
  record.writes = {{"k", "v"}};
  const std::vector<std::byte> bytes = encode(record);
  for (const std::size_t at : {kKvHeaderSize, kKvHeaderSize + 4}) {
    std::vector<std::byte> damaged = bytes;
    damaged[at + 3] = std::byte{0x7F};
    EXPECT_EQ(decode(damaged).code(), StatusCode::kCorrupt) << at;
  }
}

TEST(KvRecord, DescribesItself) {
  const KvRecord record = sample();
  const std::string text = describe(KvRecordType::kPrepare, record);
  EXPECT_THAT(text, HasSubstr("PREPARE unit of work " + record.transaction.to_string()));
  EXPECT_THAT(text, HasSubstr("4 writes"));
}

}  // namespace
}  // namespace cairn::examples
