// The last error, and the table behind it.
#include "last_error.h"

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <thread>

#include <gtest/gtest.h>

#include <cairn/status.h>
#include <cairn/win32_types.h>

namespace cairn::win32 {
namespace {

constexpr int kHighestCode = 4096;  // far above the highest StatusCode

TEST(LastError, EachStatusCodeHasOneRow) {
  const std::string_view unknown = status_code_name(static_cast<StatusCode>(0xFFFF));
  int codes = 0;
  for (int value = 0; value < kHighestCode; ++value) {
    const auto code = static_cast<StatusCode>(value);
    if (status_code_name(code) == unknown) continue;
    ++codes;
    int rows = 0;
    for (const ErrorRow& row : error_table()) rows += row.code == code ? 1 : 0;
    EXPECT_EQ(rows, 1) << status_code_name(code);
    EXPECT_EQ(error_of(code) == ERROR_SUCCESS, code == StatusCode::kOk) << status_code_name(code);
  }
  EXPECT_GT(codes, 40) << "the names of the codes no longer tell which there are";
  EXPECT_EQ(error_table().size(), static_cast<std::size_t>(codes));
}

TEST(LastError, CommittedRolledBackAndUnknownAreToldApart) {
  const std::set<DWORD> outcomes{error_of(StatusCode::kOk), error_of(StatusCode::kAlreadyCommitted),
                                 error_of(StatusCode::kAlreadyAborted),
                                 error_of(StatusCode::kOutcomeUnknown),
                                 error_of(StatusCode::kTimeout)};
  EXPECT_EQ(outcomes.size(), 5u);
}

TEST(LastError, IsThatOfTheThread) {
  SetLastError(ERROR_ALREADY_EXISTS);
  std::thread([] {
    EXPECT_EQ(GetLastError(), ERROR_SUCCESS);
    SetLastError(ERROR_BUSY);
  }).join();
  EXPECT_EQ(GetLastError(), ERROR_ALREADY_EXISTS);
}

TEST(LastError, HasTheTextOfItsStatusUntilTheNextOne) {
  EXPECT_FALSE(fail(Status(StatusCode::kNotFound, "no such thing")));
  EXPECT_EQ(GetLastError(), ERROR_FILE_NOT_FOUND);
  EXPECT_EQ(std::string(CairnLastErrorText()), "NotFound: no such thing");
  SetLastError(ERROR_INVALID_HANDLE);
  EXPECT_EQ(std::string(CairnLastErrorText()), "");
}

TEST(LastError, ACallMaySayWhatACodeMeansThere) {
  const Status status(StatusCode::kNotFound, "");
  EXPECT_FALSE(succeed_if(status, {{StatusCode::kNotFound, ERROR_ENLISTMENT_NOT_FOUND}}));
  EXPECT_EQ(GetLastError(), ERROR_ENLISTMENT_NOT_FOUND);
  EXPECT_EQ(no_handle(status), INVALID_HANDLE_VALUE);
  EXPECT_EQ(GetLastError(), ERROR_FILE_NOT_FOUND);
  EXPECT_TRUE(succeed_if(Status::ok()));
}

TEST(SecurityAttributes, ThatWouldNotBeHonouredAreRefused) {
  EXPECT_TRUE(accept_security(nullptr));
  SECURITY_ATTRIBUTES attributes{};
  EXPECT_FALSE(accept_security(&attributes));
  EXPECT_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
  attributes.nLength = sizeof attributes;
  EXPECT_TRUE(accept_security(&attributes));
  attributes.bInheritHandle = TRUE;
  EXPECT_FALSE(accept_security(&attributes));
  EXPECT_EQ(GetLastError(), ERROR_NOT_SUPPORTED);
  attributes.bInheritHandle = FALSE;
  attributes.lpSecurityDescriptor = &attributes;
  EXPECT_FALSE(accept_security(&attributes));
  EXPECT_EQ(GetLastError(), ERROR_NOT_SUPPORTED);
}

}  // namespace
}  // namespace cairn::win32
