// Log: a durable, append-only, multiplexed log in one directory.
//
// Modelled on the Common Log File System (CLFS) of Windows, from its public documentation:
// containers, streams, records with previous and undo-next links, restart areas, base LSNs,
// reservations.
//
//   auto log = cairn::log::Log::create("/var/lib/app/log", {}, {});
//   auto stream = (*log)->create_stream("orders");
//   auto lsn = stream->append(bytes, {.type = 1, .durability = Durability::kDurable});
//
// Crash semantics. An append that returned with kDurable, an append whose LSN flush() or
// wait_durable() covered, a restart area and a base that were acknowledged survive any crash, power
// cut included. What was appended and not acknowledged may or may not be there; what is recovered
// is always a prefix in LSN order plus nothing else. Damage to acknowledged bytes is an error with
// its LSN range, never cut off silently.
#ifndef CAIRN_LOG_H_
#define CAIRN_LOG_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <cairn/calibration.h>
#include <cairn/cursor.h>
#include <cairn/growth.h>
#include <cairn/lsn.h>
#include <cairn/options.h>
#include <cairn/policies.h>
#include <cairn/record.h>
#include <cairn/reservation.h>
#include <cairn/result.h>
#include <cairn/space.h>
#include <cairn/statistics.h>
#include <cairn/status.h>
#include <cairn/storage.h>
#include <cairn/tail_reader.h>
#include <cairn/uuid.h>
#include <cairn/verdict.h>

namespace cairn::log {

class LogCore;

// The pieces of one record, gathered in order.
using Gather = std::span<const std::span<const std::byte>>;
// Runs once, when the LSN is durable (OK) or can no longer become so (kPoisoned, kClosed:
// indeterminate). On the thread that noticed, without locks of the log held. Must be short and must
// not call a waiting function of this log. May append, and ask for further callbacks: they are
// called once this one has returned.
using DurableCallback = std::function<void(Status)>;

struct RestartArea {
  Lsn lsn;   // of the restart record
  Lsn base;  // the stream's base as set with it
  std::vector<std::byte> data;
};

// A named sequence of records of one log. A cheap handle: copies name the same stream. Thread-safe.
// Must not be used after its Log is gone.
class Stream {
 public:
  Stream() = default;  // names nothing; calls are kInvalidState

  [[nodiscard]] StreamId id() const { return id_; }

  // Appends one record. Returns its LSN, final and in log order, after the asked-for durability is
  // reached. With kNone the bytes are in memory only. From any number of threads; appends of one
  // thread are in its order. Errors: kRecordTooLong; kLogFull (cause, pinning stream and LSN in the
  // detail); kLsnInvalid (previous or undo_next is not an older record of this stream at or behind
  // its base); kPoisoned (nothing was appended); kIndeterminate (appended, not acknowledged: it may
  // be there after reopening); kClosed.
  [[nodiscard]] Result<Lsn> append(std::span<const std::byte> payload,
                                   const AppendOptions& options = {});
  [[nodiscard]] Result<Lsn> append(Gather pieces, const AppendOptions& options = {});
  // The same, and calls back when the record is durable, as Log::on_durable() does, with one step
  // for both. Never before `append` has its place in the log, but possibly before it returns. Where
  // append returns an error other than kIndeterminate the callback is dropped without a call.
  // Further error: kInvalidArgument (no callback).
  [[nodiscard]] Result<Lsn> append(std::span<const std::byte> payload, const AppendOptions& options,
                                   DurableCallback callback);
  [[nodiscard]] Result<Lsn> append(Gather pieces, const AppendOptions& options,
                                   DurableCallback callback);
  // An append paid out of `reservation` if that covers the record; then never kLogFull. Otherwise
  // an append like any other. Further error: kInvalidArgument (a reservation of another stream).
  [[nodiscard]] Result<Lsn> append(Gather pieces, const AppendOptions& options,
                                   Reservation& reservation);
  // The same, and in the same step reserves for further records and gives reserved ones back: all
  // of it happens, or nothing. An empty reservation is filled. Further errors: kLogFull (for what
  // is to be reserved), kInvalidArgument (gives back more than there is), kRecordTooLong.
  [[nodiscard]] Result<Lsn> append_reserved(Gather pieces, const AppendOptions& options,
                                            Reservation& reservation,
                                            const ReservationChange& change);

  // Holds back space for `records` more records with together `payload_bytes` of payload, however
  // it is divided among them. Errors: kLogFull (cause, pinning stream and LSN in the detail),
  // kRecordTooLong (more than so many of the longest records).
  [[nodiscard]] Result<Reservation> reserve(std::uint32_t records, std::uint64_t payload_bytes);
  // The same for records of exactly these payload sizes. Further error: kRecordTooLong.
  [[nodiscard]] Result<Reservation> reserve(std::span<const std::uint64_t> payloads);

  // Registers who is asked to move this stream's base and restart areas when they pin the log's
  // tail and space runs short (Policies::low_space_percent, or an append met a full log). Asked
  // again in later rounds, as long as space is short and the pin stays. Replaces an earlier
  // callback, which does not run any more on return (unless this is called from it); an empty one
  // ends it. Lasts until the log is closed.
  [[nodiscard]] Status on_advance_request(AdvanceCallback callback);
  // Says that the stream's present pin cannot be moved, and why: its owner is not asked again until
  // the pin moves, and appends that wait for space get kLogFull with this reason. Error:
  // kInvalidArgument (`why` is OK).
  [[nodiscard]] Status advance_failed(const Status& why);

  // Appends a restart area, waits until it is durable, and with it moves the base to `base`: after
  // a crash either both happened or neither. Null `base`: leave it; invalid(): to the restart
  // record itself. REQUIRES: base is not behind the present base and not beyond the end of the log;
  // else kLsnInvalid. Space for one of up to Policies::restart_area bytes is held back
  // for every stream; it is there again once the log is no longer full. Errors: kRecordTooLong,
  // kLogFull (the log is full, and this stream has used what was held back for it).
  [[nodiscard]] Result<Lsn> write_restart_area(std::span<const std::byte> data, Lsn base = {});
  // The same, paid out of `reservation` like a record of data.size() bytes, if that covers it: then
  // never kLogFull, and what is held back is left alone. Further error: kInvalidArgument (a
  // reservation of another stream).
  [[nodiscard]] Result<Lsn> write_restart_area(std::span<const std::byte> data, Lsn base,
                                               Reservation& reservation);
  // The newest durable restart area. Error: kNoRestartArea.
  [[nodiscard]] Result<RestartArea> read_restart_area() const;
  // The one before the newest; readable until the base was advanced past it by advance_base(), at
  // least: if it was the newest then, an opening may keep it until the next one is written.
  // Error: kNoRestartArea.
  [[nodiscard]] Result<RestartArea> read_previous_restart_area() const;

  // Declares all records before `lsn` unneeded; durable on return. Any LSN from the present base to
  // the end of the log; an older one changes nothing and is OK; beyond the end: kLsnInvalid. At a
  // full log kLogFull, once a few did, while the stream's oldest needed record stays in its
  // container: that frees nothing. An advance beyond the container finds room.
  [[nodiscard]] Status advance_base(Lsn lsn);

  [[nodiscard]] Lsn base() const;
  // The newest appended record, or null.
  [[nodiscard]] Lsn last_lsn() const;

  // `options.stream` is set to this stream.
  [[nodiscard]] Result<Cursor> read(ReadOptions options = {}) const;

 private:
  friend class LogCore;
  friend class Log;
  Stream(LogCore* core, StreamId id) : core_(core), id_(id) {}

  LogCore* core_ = nullptr;
  StreamId id_ = 0;
};

// Of one stream, since the log was opened.
struct StreamStatistics {
  std::uint64_t records = 0;  // appended by clients; restart areas are counted apart
  std::uint64_t payload_bytes = 0;
  std::uint64_t restart_areas = 0;
};

struct StreamInfo {
  StreamId id = 0;
  std::string name;
  Lsn base;
  Lsn last;                     // null: no record
  Lsn restart;                  // newest restart area; null: none
  Lsn previous_restart;         // null: none
  StreamStatistics statistics;  // zeros in a LogView
  ReservedInfo reserved;        // likewise
};

// Who keeps containers from being recycled.
enum class PinKind : std::uint8_t {
  kStream,   // the stream with the oldest base or restart area
  kReader,   // a TailReader
  kArchive,  // the archive tail
};
[[nodiscard]] std::string_view pin_kind_name(PinKind kind);

struct PinInfo {
  PinKind kind = PinKind::kStream;
  std::string name;         // of the stream, or as the reader was named
  Lsn lsn;                  // the oldest one it needs
  std::uint64_t bytes = 0;  // from there to the end of the log
  std::uint64_t limit = 0;  // a reader's: the most bytes that it may hold back; else 0
};

enum class ContainerState : std::uint8_t {
  kFree,            // a spare, or made ready and not entered yet
  kActive,          // appended to
  kInactive,        // full; holds what a stream needs
  kPendingArchive,  // full; no stream needs it any more, and it is not archived yet
};
[[nodiscard]] std::string_view container_state_name(ContainerState state);

struct ContainerInfo {
  std::uint64_t number = 0;  // logical; 0 for free ones
  std::string file;
  ContainerState state = ContainerState::kFree;
};

// Which containers, and in which order.
struct ContainerScan {
  std::optional<ContainerState> state{};  // only these
  // Logical numbers from `from` to `to`, both included; free ones have 0.
  std::uint64_t from = 0;
  std::uint64_t to = ~std::uint64_t{0};
  bool newest_first = false;
  std::size_t at_most = ~std::size_t{0};
};

struct LogInfo {
  std::string path;
  Uuid id;
  std::uint32_t format_version = 0;
  std::uint32_t epoch = 0;
  std::uint64_t container_size = 0;
  std::uint64_t max_size = 0;
  std::uint32_t block_size = 0;
  std::uint32_t alignment = 0;
  std::uint32_t max_record = 0;     // payload bytes
  Lsn tail;                         // oldest LSN still held
  Lsn archive_tail;                 // everything before has been archived; null: archiving is off
  Lsn durable;                      // everything before is durable
  Lsn end;                          // where the next record goes
  std::vector<StreamInfo> streams;  // by id
  std::vector<PinInfo> pins;        // the stream that pins the tail, if one does; all tail readers
  std::vector<ContainerInfo> containers;
  Policies policies;
  SpaceInfo space;  // zeros in a LogView
  StorageInfo storage;
  // Block writes in flight at once, and why so many. In a LogView: what opening it with these
  // options asks the storage for.
  std::uint32_t depth = 0;
  std::string depth_reason;
  std::optional<Calibration> calibration;  // as kept in the log
  std::string calibration_note;  // why there is none, or what it does not fit; may be empty
  EndOfLog end_of_log;           // how the end was found when the log was opened
};

class Log {
 public:
  // Makes a new log in `path`, a directory that is made or is empty, and opens it.
  // Errors: kAlreadyExists (a log is there), kInvalidArgument (options; the directory holds foreign
  // files), kNoSpace (nothing is left behind), kPermissionDenied, kIoError.
  [[nodiscard]] static Result<std::unique_ptr<Log>> create(const std::string& path,
                                                           const CreateOptions& create_options = {},
                                                           const OpenOptions& open_options = {});
  // Opens an existing log for reading and writing, after finding its end: a torn tail is cut
  // (reported in info().end_of_log), and what was found is made durable before anyone sees it.
  // Errors: kNotFound, kNotALog, kNewerVersion, kLocked, kPermissionDenied, kCorrupt (LSN range;
  // nothing was changed), kContainerMissing, kContainerSize, kBaseLogDamaged, kIoError.
  [[nodiscard]] static Result<std::unique_ptr<Log>> open(const std::string& path,
                                                         const OpenOptions& options = {});
  // open(), or create() if there is nothing at `path`.
  [[nodiscard]] static Result<std::unique_ptr<Log>> open_or_create(
      const std::string& path, const CreateOptions& create_options = {},
      const OpenOptions& open_options = {});

  // Removes the log in the directory `path`: all of its files, no others; the directory stays. A
  // crash leaves the log as it was, or something that create() clears away and calling this again
  // does, too. A log whose files are damaged or missing can be removed. Errors: kNotFound, kNotALog
  // (nothing was removed), kLocked, kNewerVersion, kPermissionDenied, kIoError.
  [[nodiscard]] static Status remove(const std::string& path, const OpenOptions& options = {});

  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;
  // Closes; an error of that is lost. Call close() to see it.
  ~Log();

  // Makes everything appended durable, writes the closing mark, releases the lock. Threads inside
  // other calls get kClosed, unless what they do can still be ended: that is waited for, so that
  // the log writes nothing once this returned. A second call is OK. After an error of a write:
  // kPoisoned, and the log is closed all the same.
  [[nodiscard]] Status close();

  // Names are 1 to 255 bytes, any but NUL. Durable on return. Errors: kAlreadyExists,
  // kInvalidArgument, kLogFull, kPoisoned.
  [[nodiscard]] Result<Stream> create_stream(std::string_view name);
  // Error: kNotFound.
  [[nodiscard]] Result<Stream> open_stream(std::string_view name);
  [[nodiscard]] Result<Stream> open_or_create_stream(std::string_view name);
  // Gives up the stream and all its records. Durable on return. Handles to it then answer
  // kNotFound. Errors: kNotFound, kLogFull.
  [[nodiscard]] Status delete_stream(std::string_view name);
  // The same for many, with one wait for all: streams in the order of their names; durable on
  // return. Not atomic: on an error, and after a crash during the call, those before some name are
  // made (or deleted) and the others are not. Errors: those of one, with how many were done.
  [[nodiscard]] Result<std::vector<Stream>> create_streams(std::span<const std::string_view> names);
  [[nodiscard]] Status delete_streams(std::span<const std::string_view> names);
  // By id.
  [[nodiscard]] std::vector<StreamInfo> list_streams() const;

  // Takes away all records of all streams whose LSN is larger than `lsn`; durable on return, and
  // after a crash either all of that happened or nothing. `lsn` need not be that of a record. What
  // was appended by other threads is taken away too if it came before; appends during the call wait
  // for its end. Streams made behind `lsn` are gone, streams deleted behind it stay deleted. A base
  // never moves back. Restart areas behind `lsn` are gone: a stream's newest is the one before, as
  // far back as the log still holds them. The LSNs taken away are never given out again, and no
  // record is found there. Space is given back when the bases pass it. Cursors go on behind the
  // cut. Errors, and nothing was changed: kLsnInvalid (before the log's tail, beyond its end, or
  // before a stream's base, which the text and the detail name); kLogFull; kCorrupt (what is left
  // cannot be read); kIoError; kPoisoned; kClosed. kIndeterminate: whether it happened is seen
  // after reopening.
  [[nodiscard]] Status truncate_after(Lsn lsn);

  // Says that everything before `lsn` has been archived, and switches archiving on: from then on no
  // container is recycled that holds what lies behind. Null: nothing held has been archived yet.
  // Only moves forward; durable on return. Archives are made by cairn/archive.h. Errors:
  // kLsnInvalid (before the present archive tail or the log's tail, or not durable yet), kLogFull,
  // kPoisoned, kIndeterminate, kClosed.
  [[nodiscard]] Status set_archive_tail(Lsn lsn = {});
  // Switches archiving off: what is not archived keeps nothing back any more. Durable on return. OK
  // if it is off. Errors: kLogFull, kPoisoned, kIndeterminate, kClosed.
  [[nodiscard]] Status stop_archiving();
  // Null: archiving is off.
  [[nodiscard]] Lsn archive_tail() const;

  // Makes everything appended before the call durable.
  [[nodiscard]] Status flush();
  // Waits until the record at `lsn` is durable, starting the write if need be. Errors:
  // kIndeterminate (the log was poisoned first), kTimeout, kLsnInvalid (beyond the end), kClosed.
  [[nodiscard]] Status wait_durable(Lsn lsn,
                                    std::optional<std::chrono::nanoseconds> limit = std::nullopt);
  // Calls back when the record at `lsn` is durable, at once if it is (from a callback: once that
  // has returned). Starts the write if need be.
  // With Background::kManual, run_background() must be called for it to happen.
  void on_durable(Lsn lsn, DurableCallback callback);
  // The same, and instead of a call adds one to the event descriptor (eventfd), which the caller
  // keeps open until then. Also when the LSN can no longer become durable: ask wait_durable().
  void on_durable(Lsn lsn, int event_fd);

  // Calls back each time when at least `bytes` more have become durable, counted from now and then
  // from the last call. Error: kInvalidArgument (0 bytes, no callback), kClosed.
  [[nodiscard]] Result<GrowthWatch> watch_growth(std::uint64_t bytes, GrowthCallback callback);
  // The same with an event descriptor: GrowthWatch::event_fd(). Error: also kResourceExhausted.
  [[nodiscard]] Result<GrowthWatch> watch_growth(std::uint64_t bytes);

  // Every record before this LSN is durable. Never goes back. One relaxed load.
  [[nodiscard]] Lsn durable_lsn() const;
  // Every record before this LSN was written (survives the process). >= durable_lsn().
  [[nodiscard]] Lsn written_lsn() const;
  // Where the next record would go, at the earliest.
  [[nodiscard]] Lsn end_lsn() const;

  // All streams, in log order.
  [[nodiscard]] Result<Cursor> read(ReadOptions options = {}) const;

  // A reader that waits for records to come, and pins what it has not read. Errors: kNotFound (the
  // stream), kStartOfLog (`start` lies before the log's tail), kClosed.
  [[nodiscard]] Result<TailReader> follow(FollowOptions options = {}) const;

  [[nodiscard]] LogInfo info() const;
  // Since the log was opened. Some microseconds, under the lock that appends take.
  [[nodiscard]] LogStatistics statistics() const;

  // Makes `count` more free containers now, durable enough to be used; the policies bound how many.
  // Errors: kResourceExhausted (more than max_size or spare_max allow), kNoSpace, kPoisoned,
  // kClosed. What was made before an error stays.
  [[nodiscard]] Status add_containers(std::uint32_t count);
  // Removes `count` free containers, or none. Error: kResourceExhausted: one always stays as the
  // next, and so does what reservations, restart areas and min_size need.
  [[nodiscard]] Status remove_containers(std::uint32_t count);
  // The files that make up the log, by number; free ones last.
  [[nodiscard]] std::vector<ContainerInfo> scan_containers(const ContainerScan& scan = {}) const;

  [[nodiscard]] Policies policies() const;
  // Changes the policies; durable on return, followed from then on. Errors: kInvalidArgument (which
  // one, expected and found), kLogFull, kPoisoned, kIndeterminate, kClosed.
  [[nodiscard]] Status set_policies(const Policies& policies);

  // Background::kManual only: makes containers ahead, recycles, asks owners of streams to advance,
  // drives writes that callbacks wait for, runs the callbacks, looks for stalls. Returns after one
  // round without waiting for anything but I/O in flight.
  [[nodiscard]] Status run_background();

  // OK, or why the log no longer takes appends (kPoisoned with the first error, kClosed).
  [[nodiscard]] Status health() const;

 private:
  friend class ArchiveCursor;
  explicit Log(std::unique_ptr<LogCore> core);
  std::unique_ptr<LogCore> core_;
};

// A log read only, without its lock: for inspection, also beside a process that is writing it. Sees
// what was on disk at open or at the last refresh(). Changes nothing; a torn tail is reported and
// left as it is.
class LogView {
 public:
  // Errors as Log::open, without kLocked.
  [[nodiscard]] static Result<std::unique_ptr<LogView>> open(const std::string& path,
                                                             const OpenOptions& options = {});
  LogView(const LogView&) = delete;
  LogView& operator=(const LogView&) = delete;
  ~LogView();

  [[nodiscard]] LogInfo info() const;
  [[nodiscard]] Result<Cursor> read(ReadOptions options = {}) const;
  // Error: kNotFound, kNoRestartArea.
  [[nodiscard]] Result<RestartArea> read_restart_area(std::string_view stream) const;
  // Looks for what was written since; true if the end moved.
  [[nodiscard]] Result<bool> refresh();

 private:
  friend class ArchiveCursor;
  class Impl;
  explicit LogView(std::unique_ptr<Impl> impl);
  // Makes durable what the view shows, and says from where that can be read. Further error:
  // kStartOfLog (some of it was recycled since the view looked).
  [[nodiscard]] Status make_durable(ReadSource** source, const ReadHorizon** horizon, Lsn* tail,
                                    Lsn* end) const;
  std::unique_ptr<Impl> impl_;
};

// One line for people about a record of kCatalogStream, for example "stream created: 3 \"orders\"".
[[nodiscard]] std::string describe_catalog_record(const Record& record);

}  // namespace cairn::log

#endif  // CAIRN_LOG_H_
