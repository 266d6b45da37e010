// LogCore: the open log behind the public Log and Stream.
//
// Locks, outermost first: housekeeping_mutex_, provide_mutex_, the container set's own mutex,
// base_mutex_ (the base log), the block writer's mutex (ring, catalog, ledger: whatever changes in
// LSN order). No I/O under the last one. The housekeeping appends records, and an append that needs
// a container takes provide_mutex_: nobody appends while holding that.
#ifndef CAIRN_LOG_LOG_CORE_H_
#define CAIRN_LOG_LOG_CORE_H_

#include <array>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <cairn/log.h>

#include "append/block_writer.h"
#include "append/container_set.h"
#include "append/space_ledger.h"
#include "base_log.h"
#include "calibration/write_plan.h"
#include "call_gate.h"
#include "catalog.h"
#include "read/end_of_log.h"
#include "read/read_source.h"
#include "read/reader_pins.h"
#include "tail_clients.h"

namespace cairn::log {

// What an append may come with.
struct AppendExtras {
  Reservation* reservation = nullptr;
  ReservationChange change{};           // with a reservation
  DurableCallback* callback = nullptr;  // taken from there unless there is an error
};

// What changes something is noexcept: an allocation that fails in the middle of it ends the process
// (docs/decisions/0086), as going on would be with half of it done, and its locks or waiters left.
class LogCore final : public ReadHorizon {
 public:
  [[nodiscard]] static Result<std::unique_ptr<LogCore>> create(const std::string& path,
                                                               const CreateOptions& create_options,
                                                               const OpenOptions& options);
  [[nodiscard]] static Result<std::unique_ptr<LogCore>> open(const std::string& path,
                                                             const OpenOptions& options);
  ~LogCore() override;
  LogCore(const LogCore&) = delete;
  LogCore& operator=(const LogCore&) = delete;
  [[nodiscard]] Status close() noexcept;

  // Appending (appending.cc).
  [[nodiscard]] Result<Lsn> append(StreamId stream, Gather pieces, const AppendOptions& options,
                                   const AppendExtras& extras = {}) noexcept;

  // Streams (log_core.cc).
  // `reservation` null: none.
  [[nodiscard]] Result<Lsn> write_restart_area(StreamId stream, std::span<const std::byte> data,
                                               Lsn base,
                                               Reservation* reservation = nullptr) noexcept;
  [[nodiscard]] Result<RestartArea> read_restart_area(StreamId stream, bool previous);
  [[nodiscard]] Status advance_base(StreamId stream, Lsn lsn) noexcept;
  [[nodiscard]] Lsn last_lsn(StreamId stream) const;
  [[nodiscard]] Result<Stream> create_stream(std::string_view name) noexcept;
  [[nodiscard]] Result<Stream> open_stream(std::string_view name);
  [[nodiscard]] Status delete_stream(std::string_view name) noexcept;
  [[nodiscard]] Result<std::vector<Stream>> create_streams(
      std::span<const std::string_view> names) noexcept;
  [[nodiscard]] Status delete_streams(std::span<const std::string_view> names) noexcept;
  [[nodiscard]] std::vector<StreamInfo> list_streams() const;

  // Reservations (space.cc).
  // `bytes`: of headers and payloads, each record rounded up to a multiple of 8.
  [[nodiscard]] Result<Reservation> reserve(StreamId stream, std::uint64_t records,
                                            std::uint64_t bytes) noexcept;
  void release(StreamId stream, std::uint64_t records, std::uint64_t bytes) noexcept;
  // Of a reservation that stays.
  void give_back(StreamId stream, std::uint64_t records, std::uint64_t bytes) noexcept;
  // One more reservation of the stream, of what another one holds.
  void split(StreamId stream) noexcept;
  // One reservation takes over another.
  void merge(StreamId from, StreamId to, std::uint64_t records, std::uint64_t bytes) noexcept;
  [[nodiscard]] std::uint32_t max_record() const {
    return format::max_payload(geometry_.block_size);
  }

  // Clients that can move the tail (space.cc).
  [[nodiscard]] Status on_advance_request(StreamId stream, AdvanceCallback callback) noexcept;
  [[nodiscard]] Status advance_failed(StreamId stream, const Status& why) noexcept;

  // Containers and policies (growth.cc).
  [[nodiscard]] Status add_containers(std::uint32_t count) noexcept;
  [[nodiscard]] Status remove_containers(std::uint32_t count) noexcept;
  [[nodiscard]] std::vector<ContainerInfo> scan_containers(const ContainerScan& scan) const;
  [[nodiscard]] Policies policies() const;
  [[nodiscard]] Status set_policies(const Policies& policies) noexcept;

  // Truncation (truncation.cc).
  [[nodiscard]] Status truncate_after(Lsn lsn) noexcept;

  // Archiving (archive/archive_tail.cc).
  [[nodiscard]] Status set_archive_tail(Lsn lsn) noexcept;
  [[nodiscard]] Status stop_archiving() noexcept;
  [[nodiscard]] Lsn archive_tail() const;
  [[nodiscard]] ReadSource& source() { return *source_; }
  [[nodiscard]] const std::shared_ptr<Storage>& shared_storage() const { return storage_; }

  // Waiting (log_core.cc).
  [[nodiscard]] Status flush() noexcept;
  [[nodiscard]] Status wait_durable(Lsn lsn,
                                    std::optional<std::chrono::nanoseconds> limit) noexcept;
  void on_durable(Lsn lsn, DurableCallback callback) noexcept;
  void on_durable(Lsn lsn, int event_fd) noexcept;
  [[nodiscard]] Lsn durable_lsn() const { return writer_->durable(); }
  [[nodiscard]] Lsn written_lsn() const { return writer_->written(); }
  [[nodiscard]] Lsn end_lsn() const;
  [[nodiscard]] Result<Cursor> read(ReadOptions options);
  [[nodiscard]] LogInfo info() const;
  [[nodiscard]] LogStatistics statistics() const;
  [[nodiscard]] Status health() const;

  // Watching (watching.cc).
  [[nodiscard]] Result<GrowthWatch> watch_growth(std::uint64_t bytes, GrowthCallback callback);
  [[nodiscard]] Result<GrowthWatch> watch_growth(std::uint64_t bytes);
  void end_watch(std::uint64_t id) noexcept;

  // Following (tail_reader.cc).
  [[nodiscard]] Result<TailReader> follow(FollowOptions options);
  [[nodiscard]] Result<std::shared_ptr<ReaderPin>> pin_again(const ReaderPin& lost) noexcept;
  void move_pin(ReaderPin& pin, Lsn to) noexcept;
  void unpin(const std::shared_ptr<ReaderPin>& pin) noexcept;
  [[nodiscard]] Status wait_grown(Lsn beyond,
                                  std::optional<std::chrono::steady_clock::time_point> deadline);

  // Housekeeping (housekeeping.cc).
  [[nodiscard]] Status run_background() noexcept;

  // ReadHorizon.
  [[nodiscard]] Lsn tail() const override { return Lsn(tail_.load(std::memory_order_acquire)); }
  [[nodiscard]] Result<Lsn> tail_now() const override { return tail(); }
  [[nodiscard]] Lsn last_block() const override;
  [[nodiscard]] Lsn durable_end() const override { return writer_->durable(); }
  [[nodiscard]] Status make_durable(Lsn lsn) override;
  [[nodiscard]] bool in_gap(Lsn lsn) const override;
  [[nodiscard]] std::optional<format::Gap> gap_behind(Lsn lsn) const override;
  [[nodiscard]] std::uint64_t gap_changes() const override {
    return gap_changes_.load(std::memory_order_acquire);
  }
  [[nodiscard]] Lsn stream_base(StreamId stream) const override;
  [[nodiscard]] Status end_status() const override { return Status::ok(); }

  // For Stream's constructor, which is private to the log.
  [[nodiscard]] Stream handle(StreamId id) { return Stream(this, id); }

 private:
  friend class LogOpener;
  using Lock = BlockWriter::Lock;

  LogCore() = default;

  // Admission (space.cc). Who asks has seen under the same lock that the log is not closing, or is
  // a part of a call that saw it. A call that the closing meets inside gets kClosed.
  using Deadline = std::chrono::steady_clock::time_point;
  [[nodiscard]] Status admit(Lock& lock, const SpaceDemand& demand, std::size_t payload,
                             bool own_block = false, std::optional<Deadline> deadline = {});
  [[nodiscard]] SpaceDemand demand_of(SpaceClass who, std::size_t payload,
                                      StreamId stream = kCatalogStream) const;
  [[nodiscard]] SpaceLedger::Stock stock() const;
  [[nodiscard]] bool snapshot_due() const;
  // The oldest LSN that something needs.
  struct TailPin {
    Lsn lsn;
    FullCause cause = FullCause::kBase;  // which kind of thing it is
    StreamId stream = kCatalogStream;    // kBase: whose
  };
  [[nodiscard]] std::optional<TailPin> tail_pin(const Catalog& catalog) const;
  [[nodiscard]] bool in_later_container(Lsn before, Lsn after) const;
  void recount_catalog();
  [[nodiscard]] Status full(SpaceVerdict verdict) const;
  [[nodiscard]] bool wait_for_space(Lock& lock, Deadline deadline);
  void note_space();
  void note_low_space();
  void ask_to_advance_soon();
  void ask_clients();
  [[nodiscard]] SpaceInfo space_info() const;

  // Reservations (space.cc).
  struct Booking {
    bool paid = false;  // the record is paid out of the reservation
    std::uint64_t new_records = 0;
    std::uint64_t new_bytes = 0;
    std::uint64_t freed_records = 0;
    std::uint64_t freed_bytes = 0;
  };
  [[nodiscard]] Result<Booking> plan(StreamId stream, const Reservation& reservation,
                                     std::size_t payload, const ReservationChange& change) const;
  [[nodiscard]] SpaceDemand demand_of(const Booking& booking, std::size_t payload) const;
  void book(StreamId stream, const Booking& booking, std::size_t payload, Reservation& reservation);

  // Containers (growth.cc).
  [[nodiscard]] Status grow(Lock& lock);
  [[nodiscard]] Status wait_for_container(Lock& lock);
  [[nodiscard]] Status make_container(Lock& lock);
  [[nodiscard]] Status grow_ahead(Lock& lock);
  void run_maker();
  [[nodiscard]] Status shrink();
  [[nodiscard]] Status remove_free(Lock& lock, std::uint64_t count);

  // Appending (appending.cc).
  [[nodiscard]] Result<Catalog::Entry*> entry(StreamId stream);
  // Nothing: the one that was to be read was given up meanwhile.
  [[nodiscard]] Result<std::optional<RestartArea>> try_read_restart_area(StreamId stream,
                                                                         bool previous);
  [[nodiscard]] bool admit_at_once(std::size_t payload);
  [[nodiscard]] Lsn append_at_once(StreamId stream, Gather pieces, std::size_t payload,
                                   std::uint16_t type);
  [[nodiscard]] Result<Lsn> append_with_all(StreamId stream, Gather pieces, std::size_t payload,
                                            const AppendOptions& options,
                                            const AppendExtras& extras);
  [[nodiscard]] Status check_link(StreamId stream, Lsn link, const char* name);
  [[nodiscard]] static Status check_base(const Catalog::Entry& of, const AppendOptions& options);
  struct CatalogChange {
    StreamId stream = 0;
    Lsn lsn;  // of the record that says so
  };
  [[nodiscard]] Result<CatalogChange> add_stream(std::string_view name);
  [[nodiscard]] Result<CatalogChange> drop_stream(std::string_view name);
  // Appends a record of the catalog. `change` runs under the lock that gives the record its LSN: it
  // makes the catalog what the record says, and gives the record, of `payload` bytes. REQUIRES:
  // lock held, admit() has let the record in since; gives the lock up. Not durable yet.
  using ChangeAt = std::function<format::EncodedCatalogRecord(const BlockWriter::Place& place)>;
  Lsn append_catalog(Lock& lock, std::size_t payload, const ChangeAt& change);
  // The end of a change of the catalog: what it says is durable, and may set space free.
  [[nodiscard]] Status settle(Lsn change);
  [[nodiscard]] Status wait_for(Lsn end, Durability level);
  void note_append(StreamId stream, Lsn lsn);

  // Housekeeping (housekeeping.cc).
  void run_thread();
  [[nodiscard]] bool needs_housekeeping() const;  // REQUIRES: writer mutex held
  [[nodiscard]] Status housekeep();
  [[nodiscard]] Status unless_closing(const std::function<Status()>& step);
  [[nodiscard]] Status provide_container(bool append_waits);
  // `urgent`: an append would meet a full log otherwise, or waits for space.
  [[nodiscard]] Status reclaim(bool urgent = false);
  // At the end of an opening: the same, if earlier openings did not live long enough for it.
  [[nodiscard]] Status catch_up();
  struct Snapshot {
    Lsn block;  // that begins with the snapshot
    Lsn tail;   // oldest LSN that the streams of the snapshot, or the snapshot itself, need
  };
  // With `cut_from`, a snapshot of `after` (which it completes) that carries a truncation from
  // there to its own first block; otherwise one of the catalog.
  [[nodiscard]] Result<Snapshot> write_snapshot(Lsn cut_from = {}, Catalog* after = nullptr);
  [[nodiscard]] Result<Lsn> append_snapshot_piece(const format::CatalogRecord& record);
  [[nodiscard]] Status write_mark(bool closing, Lsn* marked);
  [[nodiscard]] format::BaseSlot present_slot() const;  // REQUIRES: base_mutex_ held
  void ask_for_housekeeping();

  [[nodiscard]] Status write_archive_tail(Lsn lsn);

  // Truncation (truncation.cc). REQUIRES: housekeeping_mutex_ held.
  struct LastRecords;
  [[nodiscard]] Status truncate_from(Lsn lsn, Lsn from, const LastRecords& last);
  [[nodiscard]] Result<LastRecords> last_records_before(Lsn from);
  [[nodiscard]] Result<std::set<StreamId>> streams_created_behind(Lsn from);
  [[nodiscard]] Result<Catalog> catalog_as_of(Lsn lsn, Lsn from, const LastRecords& last);
  [[nodiscard]] Result<Lsn> restart_area_before(Lsn restart, Lsn from);
  [[nodiscard]] Result<Lsn> previous_restart_area(Lsn restart);

  // Watching (watching.cc).
  void look_for_stalls();
  void run_stall_thread();
  void stop_stall_thread();

  OpenOptions options_;
  std::mutex close_mutex_;  // outermost
  std::shared_ptr<Storage> storage_;
  std::unique_ptr<Directory> directory_;
  format::LogGeometry geometry_;
  WritePlan plan_;
  std::atomic<std::uint64_t> max_size_{0};
  std::uint32_t epoch_ = 0;
  EndOfLog found_end_;
  std::unique_ptr<ReadSource> source_;
  std::unique_ptr<ContainerSet> containers_;

  mutable std::mutex base_mutex_;
  std::unique_ptr<BaseLog> base_;
  std::atomic<std::uint64_t> tail_{0};
  std::atomic<std::uint64_t> scan_start_{0};
  std::atomic<std::uint64_t> gap_changes_{0};

  // Guarded by the writer's mutex.
  Catalog catalog_;
  std::unique_ptr<SpaceLedger> ledger_;
  ReaderPins pins_;
  Lsn newest_catalog_change_;
  bool closing_ = false;
  CallGate calls_;
  bool truncating_ = false;  // appends wait
  std::condition_variable truncated_;
  struct Recent {
    Lsn lsn;
    StreamId stream = 0;
  };
  static constexpr std::size_t kRecent = 4096;  // a power of two
  std::array<Recent, kRecent> recent_{};  // links to young records are checked without reading them

  std::mutex housekeeping_mutex_;  // one reclaim() at a time
  std::mutex provide_mutex_;       // one provide_container() at a time
  std::condition_variable house_signal_;
  bool house_stop_ = false;
  bool house_asked_ = false;
  bool house_asleep_ = false;  // sleeps without a limit: the next append wakes it
  bool house_failed_ = false;  // the last round failed: the next one waits a while
  Lsn marked_end_;             // the log's end when the last mark had been written

  // Guarded by the writer's mutex.
  std::condition_variable space_signal_;  // there may be more space; a container is made, or not
  std::uint64_t space_changes_ = 0;
  std::uint64_t space_waiters_ = 0;
  std::uint64_t growth_stalls_ = 0;  // appends that waited for a container to be made
  bool low_noted_ = false;
  bool advance_wanted_ = false;
  TailClients clients_;
  std::condition_variable client_signal_;  // a callback of clients_ has ended
  std::condition_variable maker_signal_;
  bool maker_failed_ = false;

  std::unique_ptr<BlockWriter> writer_;
  std::thread house_;
  std::condition_variable stall_signal_;
  bool stall_stop_ = false;
  std::thread stall_thread_;  // only while OpenOptions::stall_limit is set
  std::thread maker_;
  bool closed_ = false;
  std::unique_ptr<DirectoryLock> lock_;  // given back by close(), after the last I/O
};

}  // namespace cairn::log

#endif  // CAIRN_LOG_LOG_CORE_H_
