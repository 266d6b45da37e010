// Catalog: which streams a log has and where their bases, restart areas and last records lie.
//
// A pure value. Recovery folds records into it; the open log keeps it up to date; a snapshot writes
// it down.
#ifndef CAIRN_LOG_CATALOG_H_
#define CAIRN_LOG_CATALOG_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <cairn/log.h>
#include <cairn/lsn.h>
#include <cairn/record.h>
#include <cairn/result.h>

#include "format/catalog_record.h"

namespace cairn::log {

// Not thread-safe.
class Catalog {
 public:
  struct Entry {
    StreamId id = 0;
    std::string name;      // empty: seen in records, its creation not (yet)
    Lsn base;              // as acknowledged
    Lsn last;              // newest record, null: none
    Lsn restart;           // newest restart area, null: none
    Lsn previous_restart;  // null: none, or given up by an advance of the base
    Lsn advanced;  // newest explicit advance of the base: an older previous restart is given up
    StreamStatistics statistics;

    // The oldest LSN that the stream still needs; invalid: none.
    [[nodiscard]] Lsn pin() const;
    // What it would be after an advance of the base, or after a restart area at `lsn`.
    [[nodiscard]] Lsn pin_after_advance(Lsn new_base) const;
    [[nodiscard]] Lsn pin_after_restart(Lsn lsn, Lsn new_base) const;

   private:
    friend class Catalog;
    Lsn indexed_ = Lsn::invalid();  // its place in the index of pins
  };

  // Recovery: takes one record of the log, in log order from the beginning of a snapshot.
  // Error: kCorrupt (a catalog record that cannot be read).
  [[nodiscard]] Status apply(const Record& record);
  // Recovery: an epoch block at `begin` says that the log goes on at `end`.
  void add_gap(Lsn begin, Lsn end);
  // Recovery: after the last record. Error: kCorrupt when the snapshot has no end or a stream has
  // no name.
  [[nodiscard]] Status finish_recovery();

  // Null if there is no such stream.
  [[nodiscard]] Entry* find(StreamId id);
  [[nodiscard]] const Entry* find(StreamId id) const;
  [[nodiscard]] const Entry* find(std::string_view name) const;
  [[nodiscard]] StreamId next_stream() const { return next_stream_; }
  [[nodiscard]] const std::map<StreamId, Entry>& entries() const { return entries_; }
  [[nodiscard]] const std::vector<format::Gap>& gaps() const { return gaps_; }

  // As last set; nothing: never.
  [[nodiscard]] const std::optional<Policies>& policies() const { return policies_; }
  void set_policies(const Policies& policies, Lsn changed);
  [[nodiscard]] format::PolicyRecord policy_record() const;  // REQUIRES: policies()

  // Before it everything has been archived; null: nothing is archived. `changed` of the record that
  // set it counts: an older one changes nothing.
  [[nodiscard]] Lsn archive_tail() const { return archive_tail_.tail; }
  void set_archive_tail(const format::ArchiveTail& tail);

  void create(StreamId id, std::string_view name, Lsn base);
  void remove(StreamId id);
  // What happens to a stream of this catalog. No allocation where its pin stays or only moves.
  void appended(Entry& entry, Lsn lsn, std::size_t payload);
  // REQUIRES: lsn > entry.restart.
  void restart_written(Entry& entry, Lsn lsn, Lsn new_base);
  void advance(Entry& entry, Lsn new_base);
  // What is left of its records by a truncation.
  void truncated(Entry& entry, Lsn last, Lsn restart, Lsn previous_restart);

  // Whether `lsn` lies where nothing is: in a gap left by a torn tail or a truncation.
  [[nodiscard]] bool in_gap(Lsn lsn) const;
  // The first gap that ends behind `lsn`.
  [[nodiscard]] std::optional<format::Gap> gap_behind(Lsn lsn) const;
  // Nothing counts any more from `from` to `to`; gaps in between are a part of that.
  void cut(Lsn from, Lsn to);
  // Forgets gaps wholly before `tail`.
  void drop_gaps_before(Lsn tail);

  // The oldest LSN that a stream still needs, and which stream; nothing if no stream needs any. In
  // constant time, however many streams there are.
  struct Pin {
    Lsn lsn;
    StreamId stream = 0;
  };
  [[nodiscard]] std::optional<Pin> oldest_pin() const;
  // What a stream needs or the archive does not have yet; `end` if there is nothing such.
  [[nodiscard]] Lsn oldest_needed(Lsn end) const;
  // That one as shown in information about a log that ends at `end`.
  [[nodiscard]] std::vector<PinInfo> pins(Lsn end) const;

  // All of it as records: begin, streams and gaps in pieces of bounded size. The end record is the
  // caller's, who learns the LSN of the begin record.
  [[nodiscard]] std::vector<format::CatalogRecord> snapshot() const;

 private:
  Entry& entry_of(StreamId id);
  void reindex(Entry& entry);
  void apply_catalog(const format::CatalogRecord& record, Lsn lsn);
  void apply_snapshot(const format::CatalogRecord& record, Lsn lsn);
  void apply_policies(const format::PolicyRecord& record, Lsn lsn);
  void merge(const format::SnapshotStream& seen);

  std::map<StreamId, Entry> entries_;
  std::unordered_map<std::string, StreamId> by_name_;
  std::set<std::pair<Lsn, StreamId>> pins_;  // of streams that need something
  std::set<StreamId> deleted_;  // during recovery: a snapshot piece must not bring one back
  std::vector<format::Gap> gaps_;
  std::optional<Policies> policies_;
  Lsn policies_changed_;
  format::ArchiveTail archive_tail_;
  StreamId next_stream_ = 1;
  Lsn snapshot_begin_;
  bool snapshot_whole_ = false;
  // During recovery: the newest snapshot's begin, and, if it carries a truncation, what it says. It
  // takes this catalog's place once its end is there.
  Lsn newest_begin_;
  std::shared_ptr<Catalog> replacement_;
};

// Of full containers: those before `needed` are there for the archive only.
void mark_pending_archive(LogInfo* info, Lsn needed);

}  // namespace cairn::log

#endif  // CAIRN_LOG_CATALOG_H_
