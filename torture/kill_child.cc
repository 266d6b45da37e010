#include "kill_child.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <utility>

#include <cairn/log.h>

#include "child_pipe.h"
#include "kill_messages.h"

namespace cairn::torture {
namespace {

// Every so many records a stream gives up those before the last such point.
constexpr std::uint64_t kKeptRecords = 64;
// For space that others have to give up.
constexpr std::chrono::seconds kMostWait(10);

struct Newest {
  std::uint64_t sequence = 0;  // 0: the stream has no record
  Lsn lsn;
};

Newest newest_record(log::Stream& stream, std::uint32_t number) {
  Newest newest;
  Result<log::Cursor> cursor = stream.read();
  if (!cursor) fail(number, "read", cursor.status());
  while (true) {
    Result<std::optional<log::Record>> record = cursor->next();
    if (!record) fail(number, "next", record.status());
    if (!record->has_value()) return newest;
    if ((*record)->kind != log::RecordKind::kData) continue;
    newest.sequence = sequence_in(number, (*record)->payload).value_or(newest.sequence);
    newest.lsn = (*record)->lsn;
  }
}

// A thread that the others left behind pins what they need: it gives up all but its newest record,
// and waits for those who have to do so too.
Result<Lsn> append(log::Stream& stream, std::uint32_t number, std::uint64_t sequence, Lsn newest,
                   log::AppendOptions options) {
  const std::vector<std::byte> payload = payload_of(number, sequence);
  Result<Lsn> lsn = stream.append(payload, options);
  if (lsn.code() != StatusCode::kLogFull) return lsn;
  if (!newest.is_null()) {
    tell({Message::kMovingBase, number, sequence, newest.value()});
    const Status moved = stream.advance_base(newest);
    // Refused when nothing would come of it: another one is in the way.
    if (!moved && moved.code() != StatusCode::kLogFull) fail(number, "advance_base", moved);
  }
  options.wait_for_space = kMostWait;
  return stream.append(payload, options);
}

// Every eighth record is not waited for: it may be lost, and only as the last ones.
void append_until(const std::atomic<bool>& stop, log::Stream stream, std::uint32_t number,
                  Newest from) {
  std::uint64_t sequence = from.sequence;
  Lsn newest = from.lsn;
  Lsn mark = from.lsn;
  while (!stop.load()) {
    ++sequence;
    log::AppendOptions options;
    const bool durable = sequence % 8 != 0;
    options.durability = durable ? log::Durability::kDurable : log::Durability::kNone;
    const Result<Lsn> lsn = append(stream, number, sequence, newest, options);
    if (!lsn) fail(number, "append", lsn.status());
    newest = *lsn;
    if (durable) tell({Message::kAcknowledged, number, sequence, lsn->value()});
    if (sequence % kKeptRecords != 0) continue;
    mark = std::max(mark, stream.base());  // it may have been given up already
    if (!mark.is_null()) {
      tell({Message::kMovingBase, number, sequence, mark.value()});
      const Result<Lsn> area = stream.write_restart_area({}, mark);
      if (!area) fail(number, "write_restart_area", area.status());
    }
    mark = *lsn;
  }
}

}  // namespace

Result<std::unique_ptr<log::Log>> open_appended_log(const std::string& directory,
                                                    std::shared_ptr<log::Storage> storage) {
  log::CreateOptions create;
  create.container_size = log::kMinContainerSize;
  create.max_size = kAppendedContainers * create.container_size;
  create.calibrate = false;
  log::OpenOptions open;
  open.storage = std::move(storage);
  open.lock_wait = std::chrono::seconds(10);
  return log::Log::open_or_create(directory, create, open);
}

std::vector<std::thread> start_appending(log::Log& log, std::uint32_t threads,
                                         const std::atomic<bool>& stop) {
  // All are read before anyone appends: recycling would overtake a reader.
  std::vector<log::Stream> streams;
  std::vector<Newest> newest;
  for (std::uint32_t number = 0; number < threads; ++number) {
    Result<log::Stream> stream = log.open_or_create_stream(stream_name(number));
    if (!stream) fail(number, "open_or_create_stream", stream.status());
    streams.push_back(*stream);
    newest.push_back(newest_record(streams.back(), number));
  }
  std::vector<std::thread> running;
  for (std::uint32_t number = 0; number < threads; ++number) {
    running.emplace_back(append_until, std::cref(stop), streams[number], number, newest[number]);
  }
  return running;
}

void work_until_killed(const std::string& directory, log::StorageKind storage,
                       std::uint32_t threads, int pipe) {
  child_pipe = pipe;
  Result<std::shared_ptr<log::Storage>> made = log::make_storage(storage);
  if (!made) fail(0, "make_storage", made.status());
  Result<std::unique_ptr<log::Log>> log = open_appended_log(directory, *made);
  if (!log) fail(0, "open_or_create", log.status());
  const std::atomic<bool> never = false;
  for (std::thread& thread : start_appending(**log, threads, never)) thread.join();
  std::_Exit(0);
}

}  // namespace cairn::torture
