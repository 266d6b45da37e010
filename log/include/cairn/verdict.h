// How the end of a log is judged: the decision table of recovery, and `verify`.
#ifndef CAIRN_VERDICT_H_
#define CAIRN_VERDICT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <cairn/lsn.h>
#include <cairn/options.h>
#include <cairn/result.h>

namespace cairn::log {

// What the first place without a valid block means. One label per row of the decision table in
// log/read/end_of_log.h, where each has its paragraph. Persisted nowhere; printed by the tools.
enum class EndLabel : std::uint8_t {
  kCleanClose,    // the last block is the closing mark: nothing is missing
  kEndAtMark,     // the last block is an idle mark, behind it zeros or stale bytes
  kEndUnwritten,  // behind the last block nothing of this log was ever written here
  // A block of this log begins here and is not whole; nothing proves that it was acknowledged.
  kTornTail,
  kDamageProvenByWatermark,  // a later block says that these bytes were durable
  kDamageProvenBySeal,       // the container is sealed, so all in it was durable
  kDamageProvenByBaseLog,    // the base log says that these bytes were durable
};
[[nodiscard]] std::string_view end_label_name(EndLabel label);
[[nodiscard]] constexpr bool end_label_is_damage(EndLabel label) {
  return label >= EndLabel::kDamageProvenByWatermark;
}

struct EndOfLog {
  EndLabel label = EndLabel::kCleanClose;
  Lsn end;             // first byte that holds nothing valid
  Lsn damage_begin;    // for damage: first record or block concerned
  Lsn damage_end;      // for damage: the bytes before this LSN are proven to have been acknowledged
  std::string reason;  // one sentence: which rule failed at `end`, expected and found
  std::uint32_t epoch = 0;  // of the last valid block
};

struct VerifyOptions {
  std::shared_ptr<Storage> storage{};  // null: make_storage(kAuto)
};

struct Damage {
  Lsn begin;
  Lsn end;
  std::string file;
  std::string reason;  // the label if there is one, expected and found
  // The row of the decision table that says that these bytes had been acknowledged. Unset: each
  // block is as it was written, and the engine's own records contradict each other.
  std::optional<EndLabel> label;
};

struct VerifyReport {
  std::vector<Damage> damages;  // empty: sound
  EndOfLog end_of_log;
  std::uint64_t blocks = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  std::uint64_t containers = 0;
  std::vector<std::string> notes;  // not damage, but worth saying
};

// Reads every byte from the log's tail to its end and checks it. Takes no lock and changes nothing.
// A report with damages is a success of this call; errors mean that it could not run: kNotFound,
// kNotALog, kNewerVersion, kBaseLogDamaged, kPermissionDenied, kIoError.
[[nodiscard]] Result<VerifyReport> verify(const std::string& path,
                                          const VerifyOptions& options = {});

}  // namespace cairn::log

#endif  // CAIRN_VERDICT_H_
