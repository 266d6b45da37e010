// RecoveredState: what the records of a transaction manager's stream add up to.
//
// Pure: records in, facts out. The live transaction manager rebuilds its objects from the facts;
// `cairn tm list` shows them.
#ifndef CAIRN_RECOVERED_STATE_H_
#define CAIRN_RECOVERED_STATE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <cairn/log.h>
#include <cairn/lsn.h>
#include <cairn/packed_transactions.h>
#include <cairn/result.h>
#include <cairn/status.h>
#include <cairn/tm_record.h>
#include <cairn/transaction_view.h>
#include <cairn/uuid.h>

namespace cairn::recovery {

// A transaction that is not forgotten: its commit was decided, or it is promised to a superior,
// whose decision is not known here, or an administrator rolled such a one back.
struct RecoveredTransaction {
  Lsn lsn{};  // of the newest copy of its record
  TransactionRecord record{};
};

// All but the transactions.
struct RecoveredFacts {
  Uuid transaction_manager{};
  std::uint64_t clock = 1;  // highest value on any record
  Lsn begin{};              // where reading began
  Lsn end{};                // LSN of the last record read; null: none
  std::uint64_t records = 0;
  // Whether everything was read: no decision of a higher clock than asked for follows.
  bool complete = true;
};
struct RecoveredState : RecoveredFacts {
  std::vector<RecoveredTransaction> transactions{};  // by LSN
};
// The same in a fraction of the memory, for the manager that may have a million of them.
struct PackedState : RecoveredFacts {
  PackedTransactions transactions{};
};

struct FoldFacts;

// Adds records up, one by one in LSN order. A record that contradicts those before it ends the fold
// with an error; the rules, each with its label, are the decision table in recovery/fold_rules.h.
class Fold {
 public:
  // `restart`: the newest restart area, whose payload is the manager's; records from `restart.base`
  // on follow. Errors: as decode().
  [[nodiscard]] static Result<Fold> begin(const log::RestartArea& restart);

  [[nodiscard]] const Uuid& transaction_manager() const { return state_.transaction_manager; }
  [[nodiscard]] const std::vector<FormerIdentity>& former() const { return former_; }

  // Takes the next record. Errors: kCorrupt with the record's LSN and the label of the rule,
  // kNewerVersion. The fold is then of no further use.
  [[nodiscard]] Status add(const log::Record& record);

  // This record will come soon: fetches the memory that add() will look at. Any bytes will do.
  void prefetch(const log::Record& record) const;

  // Whether the next record is a decision of a higher virtual clock than this. Errors: as decode().
  [[nodiscard]] static Result<bool> is_beyond(const log::Record& record, std::uint64_t clock);

  [[nodiscard]] RecoveredState finish() &&;
  [[nodiscard]] PackedState finish_packed() &&;

 private:
  Fold() = default;
  [[nodiscard]] Status add_transaction(Lsn lsn, const TransactionView& record);
  [[nodiscard]] Status add_forget(Lsn lsn, const ForgetRecord& forget);
  [[nodiscard]] Status add_restart(Lsn lsn, const RestartRecord& restart);

  [[nodiscard]] bool shares_enlistment(const TransactionView& record) const;
  [[nodiscard]] FoldFacts facts_of(const TransactionView& record, std::uint32_t live) const;
  void erase(std::uint32_t live);

  PackedState state_;  // of which the transactions are those that are live
  std::vector<FormerIdentity> former_;
  std::uint64_t last_decision_clock_ = 0;
  std::uint64_t last_restart_clock_ = 0;
};

// Folds what `cursor` yields, a forward cursor over the manager's stream from `restart.base`.
// Errors: as Fold and Cursor::next().
// `up_to`: stops before the first decision of a higher virtual clock.
[[nodiscard]] Result<PackedState> read_packed_state(
    log::Cursor& cursor, const log::RestartArea& restart,
    std::optional<std::uint64_t> up_to = std::nullopt);
// The same, with each transaction's record, for one stream of a log opened for inspection. Errors
// also: kNotFound (no such stream), kNoRestartArea, kCorrupt (the stream is not a transaction
// manager's).
[[nodiscard]] Result<RecoveredState> read_tm_state(const log::LogView& view,
                                                   std::string_view stream);
// Names of the streams that hold a transaction manager. Errors: of the log.
[[nodiscard]] Result<std::vector<std::string>> find_tm_streams(const log::LogView& view);

}  // namespace cairn::recovery

#endif  // CAIRN_RECOVERED_STATE_H_
