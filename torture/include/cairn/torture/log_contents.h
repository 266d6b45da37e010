// LogContents: everything that a client can see of a log, as a value.
#ifndef CAIRN_TORTURE_LOG_CONTENTS_H_
#define CAIRN_TORTURE_LOG_CONTENTS_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <cairn/log.h>

namespace cairn::torture {

using Bytes = std::vector<std::byte>;
using SharedBytes = std::shared_ptr<const Bytes>;

// At the speed of memcmp in every build.
[[nodiscard]] bool same_bytes(const Bytes& one, const Bytes& other);

struct SeenRecord {
  Lsn lsn;
  log::RecordKind kind = log::RecordKind::kData;
  std::uint16_t type = 0;
  Lsn previous;
  Lsn undo_next;
  Bytes payload;
  Lsn base;  // of a restart record

  friend bool operator==(const SeenRecord& one, const SeenRecord& other);
};

struct SeenRestart {
  Lsn lsn;
  Lsn base;
  Bytes data;

  friend bool operator==(const SeenRestart& one, const SeenRestart& other);
};

struct SeenStream {
  log::StreamId id = 0;
  Lsn base;
  Lsn last;
  std::optional<SeenRestart> restart;
  std::optional<SeenRestart> previous_restart;
  std::vector<SeenRecord> records;  // from the base on

  friend bool operator==(const SeenStream&, const SeenStream&) = default;
};

// What the log was told to do with its space.
struct LogSettings {
  log::Policies policies;
  Lsn archive_tail;  // null: archiving is off

  friend bool operator==(const LogSettings&, const LogSettings&) = default;
};

struct LogContents {
  std::map<std::string, SeenStream> streams;
  LogSettings settings;

  friend bool operator==(const LogContents&, const LogContents&) = default;
};

[[nodiscard]] LogSettings settings_of(const log::Log& log);
[[nodiscard]] std::string to_string(const LogSettings& settings);
// That the log holds what is not archived, counts the containers it has, and names one maximum.
// Error: kCorrupt.
[[nodiscard]] Status check_space(const log::Log& log);

// Reads all of it with one cursor over all streams. Errors: those of the log's calls, and kCorrupt
// if the cursor goes back.
[[nodiscard]] Result<LogContents> read_contents(log::Log& log);
// That each stream's own cursor shows the same records, and the cursor that goes backward over all
// streams too. Error: kCorrupt.
[[nodiscard]] Status check_stream_cursors(log::Log& log, const LogContents& contents);

// The first difference in words; empty if there is none.
[[nodiscard]] std::string difference(const LogContents& expected, const LogContents& found);

}  // namespace cairn::torture

#endif  // CAIRN_TORTURE_LOG_CONTENTS_H_
