// LogModel: what a log must hold after a crash, kept beside a running log. One client thread.
//
// For every record it knows the bytes, the LSN once append returned, and whether it was
// acknowledged. The call that is running when the power goes is known as the one in flight: it may
// have happened or not.
#ifndef CAIRN_TORTURE_LOG_MODEL_H_
#define CAIRN_TORTURE_LOG_MODEL_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <cairn/log.h>
#include <cairn/torture/log_contents.h>

namespace cairn::torture {

struct ModelRecord {
  log::RecordKind kind = log::RecordKind::kData;
  std::uint16_t type = 0;
  Lsn previous;
  Lsn undo_next;
  SharedBytes payload;
  Lsn base;  // of a restart record: the base it set
};

struct ModelStream {
  log::StreamId id = 0;
  Lsn created;  // its first base; null: made before the log was opened
  Lsn base;
  Lsn advanced;  // the newest base set by advance_base(); null: none since the log was opened
  Lsn restart;   // LSNs of the two newest restart records; null: none
  Lsn previous_restart;
  std::map<Lsn, ModelRecord> records;   // from the base on
  std::map<Lsn, ModelRecord> restarts;  // restart areas, behind the base too, as far as remembered
};

// The call that is running.
struct InFlight {
  enum class Call {
    kAppend,
    kRestart,
    kAdvanceBase,
    kCreateStream,
    kDeleteStream,
    kTruncate,
    kSettings
  };
  Call call = Call::kAppend;
  std::string stream;
  ModelRecord record;         // kAppend, kRestart
  Lsn base;                   // kAdvanceBase; kRestart: as asked for, null or invalid() included
  Lsn cut = {};               // kTruncate: what is behind it goes
  Lsn tail = {};              // kTruncate: the log's, before it
  LogSettings settings = {};  // kSettings: all of them, as they are then
};

// A value: a copy is the state of knowledge at one moment.
struct LogModel {
  bool created = false;  // Log::create() returned
  std::map<std::string, ModelStream> streams;
  // Policies and archive tail; null: they change behind the model's back, and are not looked at.
  std::optional<LogSettings> settings;
  std::optional<InFlight> in_flight;
  Lsn acknowledged;  // every record before this LSN was acknowledged as durable
  Lsn highest;       // of all LSNs ever handed out; never given again

  // The calls' ends.
  void appended(const std::string& stream, Lsn lsn, const ModelRecord& record, bool durable);
  void restart_written(const std::string& stream, Lsn lsn, ModelRecord record, Lsn base);
  void base_advanced(const std::string& stream, Lsn base);
  void all_durable_before(Lsn lsn);
  // All behind `cut` is gone. Restart areas before `tail` are too.
  void truncated(Lsn cut, Lsn tail);

  // Whether a log with these contents keeps I1 to I4 and I8 of this model; the first violation in
  // words, or empty.
  [[nodiscard]] std::string violation(const LogContents& contents) const;
  // The model after `contents` were recovered: what is there is durable, what is not is gone for
  // ever. REQUIRES: violation(contents) is empty.
  [[nodiscard]] LogModel after_recovery(const LogContents& contents) const;
};

}  // namespace cairn::torture

#endif  // CAIRN_TORTURE_LOG_MODEL_H_
