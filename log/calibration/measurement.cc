#include "calibration/measurement.h"

#include <algorithm>
#include <string>
#include <utility>

#include "aligned_buffer.h"

namespace cairn::log {
namespace {

using Time = std::chrono::steady_clock::time_point;
using std::chrono::nanoseconds;

// Writes of a slice at most, whatever the clock says.
constexpr std::size_t kMostWrites = 4096;
constexpr std::uint64_t kLargeBlocks = 4;  // of the file: as many as are in flight at once
// Of kDefaultDepth and the blocks in memory that go with it: one is being filled.
constexpr std::uint32_t kLeastUnsynced = 7;
constexpr std::uint64_t kMeasuredSyncTag = ~std::uint64_t{0};
// A round is one slice of small blocks for each way, and half of one of large blocks for some.
// Their number and a fifth more for what is in flight at the end of each.
constexpr std::int64_t kSlices = 80;

struct SliceResult {
  double writes_per_second = 0;
  double latency_ns = 0;  // median
};

struct SlicePlan {
  Way way;
  std::span<const std::byte> block;
  std::uint64_t file_size = 0;
  nanoseconds length{0};
};

// One way for some time. Keeps as many writes in flight as its depth says and counts what becomes
// durable; with kPerPrefix a sync is in flight whenever a write has completed that none covers, and
// as many writes are not durable yet as a log has blocks for.
class Slice {
 public:
  Slice(IoQueue& queue, File& file, const TimeSource& time, const SlicePlan& plan)
      : queue_(queue), file_(file), time_(time), plan_(plan) {}

  [[nodiscard]] Result<SliceResult> run() {
    begin_ = counted_until_ = time_();
    Status status = submit();
    while (in_flight_ > 0) {
      // After an error too: the block is the queue's until its last write has ended.
      Status reaped = reap();
      if (queue_broken_) return reaped;
      if (status.is_ok()) status = std::move(reaped);
      if (status.is_ok()) status = submit();
    }
    CAIRN_RETURN_IF_ERROR(status);
    const auto elapsed = counted_until_ - begin_;
    if (elapsed <= nanoseconds(0)) {
      return Status(StatusCode::kInvalidState, "calibration: the clock stands still");
    }
    return SliceResult{
        static_cast<double>(latencies_.size()) * 1e9 / static_cast<double>(elapsed.count()),
        median(latencies_)};
  }

 private:
  Status submit() {
    const bool enough = latencies_.size() >= plan_.way.depth;
    over_ = over_ || (enough && time_() - begin_ >= plan_.length) || submitted_ == kMostWrites;
    if (over_) return Status::ok();
    if (!sync_in_flight_ && !written_.empty() && in_flight_ < queue_.depth()) {
      CAIRN_RETURN_IF_ERROR(queue_.submit_sync(file_, kMeasuredSyncTag));
      covered_ = std::exchange(written_, {});
      sync_in_flight_ = true;
      ++in_flight_;
    }
    const std::size_t blocks = std::max(kLeastUnsynced, plan_.way.depth);
    while (writes_in_flight_ < plan_.way.depth && in_flight_ < queue_.depth() &&
           writes_in_flight_ + written_.size() + covered_.size() < blocks &&
           submitted_ < kMostWrites) {
      const bool durable = plan_.way.durable_writes == DurableWrites::kPerWrite;
      const std::uint64_t offset = submitted_ * plan_.block.size() % plan_.file_size;
      begun_.push_back(time_());
      CAIRN_RETURN_IF_ERROR(queue_.submit_write(file_, offset, plan_.block, durable, submitted_));
      ++submitted_;
      ++writes_in_flight_;
      ++in_flight_;
    }
    return Status::ok();
  }

  Status reap() {
    std::array<Completion, kMeasuredDepths.back() + 1> done;
    const auto count = queue_.reap(done, true);
    queue_broken_ = !count.is_ok();
    if (queue_broken_) return count.status();
    const Time now = time_();
    Status status;
    for (std::size_t i = 0; i < *count; ++i) {
      --in_flight_;
      if (status.is_ok()) status = done[i].status;
      if (done[i].tag == kMeasuredSyncTag) {
        sync_in_flight_ = false;
        for (const Time begun : std::exchange(covered_, {})) note_durable(begun, now);
        continue;
      }
      --writes_in_flight_;
      const Time begun = begun_[done[i].tag];
      if (plan_.way.durable_writes == DurableWrites::kPerWrite) {
        note_durable(begun, now);
      } else {
        written_.push_back(begun);
      }
    }
    return status;
  }

  // What ends after the last write was begun had less company, and says less.
  void note_durable(Time begun, Time now) {
    if (over_) return;
    latencies_.push_back(static_cast<double>(nanoseconds(now - begun).count()));
    counted_until_ = now;
  }

  IoQueue& queue_;
  File& file_;
  const TimeSource& time_;
  const SlicePlan plan_;
  Time begin_;
  Time counted_until_;
  bool over_ = false;
  bool queue_broken_ = false;
  bool sync_in_flight_ = false;
  std::size_t submitted_ = 0;
  std::uint32_t writes_in_flight_ = 0;
  std::uint32_t in_flight_ = 0;
  std::vector<Time> begun_;    // of each write
  std::vector<Time> written_;  // kPerPrefix: of those that no sync covers yet
  std::vector<Time> covered_;  // of those that the sync in flight covers
  std::vector<double> latencies_;
};

class Rounds {
 public:
  // `data`: a large block.
  Rounds(IoQueue& queue, File& file, std::span<const std::byte> data, const TimeSource& time,
         const MeasurementOptions& options)
      : queue_(queue), file_(file), data_(data), time_(time), options_(options) {}

  [[nodiscard]] Result<std::vector<WaySamples>> run() {
    const Time begin = time_();
    std::vector<WaySamples> all = ways();
    std::size_t rounds = 0;
    for (; rounds < kRounds; ++rounds) {
      std::vector<WaySamples> round = ways();
      // There and back, so that what drifts meets all alike.
      if (rounds % 2 == 1) std::ranges::reverse(round);
      for (WaySamples& samples : round) {
        if (time_() - begin >= options_.duration) return ended_early(std::move(all), rounds);
        CAIRN_RETURN_IF_ERROR(measure_way(&samples));
      }
      if (rounds % 2 == 1) std::ranges::reverse(round);
      for (std::size_t i = 0; i < all.size(); ++i) add(round[i], &all[i]);
    }
    return all;
  }

 private:
  // All that the queue is deep enough for; a sync goes beside the writes.
  [[nodiscard]] std::vector<WaySamples> ways() const {
    std::vector<WaySamples> ways;
    for (const DurableWrites how : {DurableWrites::kPerWrite, DurableWrites::kPerPrefix}) {
      for (const std::uint32_t depth : kMeasuredDepths) {
        if (depth == 1 || depth < queue_.depth()) ways.push_back({.way = {how, depth}});
      }
    }
    return ways;
  }

  Status measure_way(WaySamples* samples) {
    SlicePlan plan{samples->way, data_.first(options_.block), kLargeBlocks * options_.large_block,
                   options_.duration / kSlices};
    CAIRN_ASSIGN_OR_RETURN(const SliceResult small, Slice(queue_, file_, time_, plan).run());
    samples->writes_per_second.push_back(small.writes_per_second);
    samples->latency_ns.push_back(small.latency_ns);
    if (samples->way.depth > kDefaultDepth) return Status::ok();
    plan.block = data_;
    plan.length /= 2;
    CAIRN_ASSIGN_OR_RETURN(const SliceResult large, Slice(queue_, file_, time_, plan).run());
    samples->large_kib_per_second.push_back(large.writes_per_second *
                                            static_cast<double>(options_.large_block) / 1024);
    return Status::ok();
  }

  static void add(const WaySamples& round, WaySamples* all) {
    const auto append = [](const std::vector<double>& from, std::vector<double>* to) {
      to->insert(to->end(), from.begin(), from.end());
    };
    append(round.writes_per_second, &all->writes_per_second);
    append(round.latency_ns, &all->latency_ns);
    append(round.large_kib_per_second, &all->large_kib_per_second);
  }

  [[nodiscard]] Result<std::vector<WaySamples>> ended_early(std::vector<WaySamples> all,
                                                            std::size_t rounds) const {
    if (rounds >= kLeastRounds) return all;
    using std::chrono::milliseconds;
    return Status(
        StatusCode::kTimeout,
        "calibration: expected at least " + std::to_string(kLeastRounds) + " rounds in " +
            std::to_string(std::chrono::duration_cast<milliseconds>(options_.duration).count()) +
            " ms, found " + std::to_string(rounds) + ": the device is slow, and needs longer");
  }

  IoQueue& queue_;
  File& file_;
  const std::span<const std::byte> data_;
  const TimeSource& time_;
  const MeasurementOptions& options_;
};

Result<std::vector<WaySamples>> measure_in_file(Directory& directory, const DirectoryLock* lock,
                                                const MeasurementOptions& options) {
  const TimeSource time =
      options.time ? options.time : TimeSource([] { return std::chrono::steady_clock::now(); });
  CAIRN_ASSIGN_OR_RETURN(const auto file, directory.open(kCalibrationFileName, OpenMode::kCreate));
  CAIRN_RETURN_IF_ERROR(directory.fill_zero(*file, kLargeBlocks * options.large_block));
  // Not zeros: some devices do not store those.
  AlignedBuffer data(options.large_block);
  unsigned byte = 1;
  for (std::byte& one : data.bytes()) one = static_cast<std::byte>(byte += 151);
  CAIRN_ASSIGN_OR_RETURN(const auto queue, directory.make_queue(kMeasuredDepths.back() + 1, lock));
  return Rounds(*queue, *file, std::as_const(data).bytes(), time, options).run();
}

}  // namespace

Result<std::vector<WaySamples>> measure(Directory& directory, const DirectoryLock* lock,
                                        const MeasurementOptions& options) {
  // What a crash left of an earlier one.
  const Status stale = directory.remove(kCalibrationFileName);
  if (!stale.is_ok() && stale.code() != StatusCode::kNotFound) return stale;
  auto measured = measure_in_file(directory, lock, options);
  const Status removed = directory.remove(kCalibrationFileName);
  if (removed.is_ok() || removed.code() == StatusCode::kNotFound) return measured;
  return measured.is_ok() ? removed : measured.status();
}

}  // namespace cairn::log
