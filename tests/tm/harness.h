// What the tests of the transaction manager share: resource managers that answer when they are told
// to.
#ifndef CAIRN_TESTS_TM_HARNESS_H_
#define CAIRN_TESTS_TM_HARNESS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <cairn/transaction_manager.h>

namespace cairn {

// So that gtest prints names.
inline void PrintTo(StatusCode code, std::ostream* out) { *out << status_code_name(code); }

}  // namespace cairn

namespace cairn::tm {

inline void PrintTo(TransactionState state, std::ostream* out) {
  *out << transaction_state_name(state);
}
inline void PrintTo(EnlistmentState state, std::ostream* out) {
  *out << enlistment_state_name(state);
}
inline void PrintTo(Outcome outcome, std::ostream* out) { *out << outcome_name(outcome); }

inline constexpr std::chrono::seconds kSoon{
    20};  // a wait that must end, and a test that fails if not

inline constexpr NotificationMask kAllPhases = kTwoPhase | NotificationKind::kPrePrepare;
inline constexpr NotificationMask kFlushOnly =
    NotificationKind::kPrePrepare | NotificationKind::kRollback;
inline constexpr NotificationMask kListen = NotificationKind::kCommit | NotificationKind::kRollback;

// The same small number gives the same identity in every run.
inline Uuid numbered_id(std::uint8_t number) {
  Uuid id;
  id.bytes[0] = 0x70;
  id.bytes[15] = number;
  return id;
}

inline std::vector<std::byte> bytes_of(std::string_view text) {
  const auto view = std::as_bytes(std::span(text.data(), text.size()));
  return {view.begin(), view.end()};
}

inline StatusCode code_of(const Status& status) { return status.code(); }
template <typename T>
StatusCode code_of(const Result<T>& result) {
  return result.code();
}

inline testing::AssertionResult is_ok(const Status& status) {
  return status ? testing::AssertionSuccess() : testing::AssertionFailure() << status.to_string();
}
template <typename T>
testing::AssertionResult is_ok(const Result<T>& result) {
  return is_ok(result.status());
}

#define ASSERT_OK(expression) ASSERT_TRUE(::cairn::tm::is_ok(expression))
#define EXPECT_OK(expression) EXPECT_TRUE(::cairn::tm::is_ok(expression))
#define EXPECT_CODE(expression, expected) \
  EXPECT_EQ(::cairn::tm::code_of(expression), ::cairn::StatusCode::expected)

// One session of a resource manager, and what it heard.
class Rm {
 public:
  Rm() = default;
  explicit Rm(ResourceManager session) : session_(std::move(session)) {}

  ResourceManager& session() { return session_; }

  // Everything that is queued now, in order: "PREPARE COMMIT".
  std::string hear() {
    std::string heard;
    for (;;) {
      auto next = session_.try_get_notification();
      if (!next)
        return heard + (heard.empty() ? "" : " ") + "<" +
               std::string(status_code_name(next.code())) + ">";
      if (!*next) return heard;
      last_ = **next;
      if (!heard.empty()) heard += ' ';
      heard += notification_kind_name(last_.kind);
    }
  }
  // The last one heard.
  const Notification& last() const { return last_; }

  Enlistment enlist(const Transaction& transaction, NotificationMask mask = kTwoPhase,
                    std::uint64_t key = 1) {
    auto enlistment = session_.enlist(transaction, mask, key);
    EXPECT_OK(enlistment);
    return enlistment ? std::move(*enlistment) : Enlistment();
  }
  void disconnect() { session_ = ResourceManager(); }

 private:
  ResourceManager session_;
  Notification last_;
};

inline EnlistmentState state_of(const Enlistment& enlistment) {
  return enlistment.information()->state;
}
inline TransactionState state_of(const Transaction& transaction) {
  return transaction.information()->state;
}

// A volatile manager without a thread, on a clock that the test moves.
class VolatileTm : public testing::Test {
 protected:
  VolatileTm() {
    TmOptions options;
    options.background = Background::kManual;
    options.now = [this] { return now_; };
    auto made = TransactionManager::create(options);
    EXPECT_OK(made);
    tm_ = std::move(*made);
  }

  Rm make_rm(std::uint8_t number) {
    auto session = tm_.create_resource_manager(numbered_id(number), RmKind::kVolatile);
    EXPECT_OK(session);
    return session ? Rm(std::move(*session)) : Rm();
  }
  Transaction begin(const TransactionOptions& options = {}) {
    auto transaction = tm_.create_transaction(options);
    EXPECT_OK(transaction);
    return transaction ? std::move(*transaction) : Transaction();
  }

  std::chrono::nanoseconds now_{0};
  TransactionManager tm_;
};

}  // namespace cairn::tm

#endif  // CAIRN_TESTS_TM_HARNESS_H_
