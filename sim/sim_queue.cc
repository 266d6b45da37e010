#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "world.h"

namespace cairn::sim {

namespace {

// The log broke the contract of cairn/storage.h: a bug, not an error to carry on with.
void require(bool holds, const char* rule) {
  if (holds) return;
  std::fprintf(stderr, "IoQueue: broken contract: %s\n", rule);
  std::abort();
}

struct Request {
  std::uint64_t tag = 0;
  SimFile* file = nullptr;
  std::string what;
  unsigned delay = 0;  // reap() calls until it can end
  // A sync.
  bool is_sync = false;
  std::uint64_t moment = 0;
  // A write.
  OperationId operation = 0;
  bool durable = false;
  std::span<const std::byte> data;
  std::vector<std::byte> submitted;  // `data` as it was
};

class SimQueue final : public log::IoQueue {
 public:
  SimQueue(std::shared_ptr<World> world, unsigned depth, std::shared_ptr<LockTable::Hold> hold)
      : world_(std::move(world)), depth_(depth), hold_(hold) {}
  // What is still in flight reaches the disk as it can; nobody hears of it.
  ~SimQueue() override;

  [[nodiscard]] unsigned depth() const override { return depth_; }
  [[nodiscard]] Status submit_write(log::File& file, std::uint64_t offset,
                                    std::span<const std::byte> data, bool durable,
                                    std::uint64_t tag) override;
  [[nodiscard]] Status submit_sync(log::File& file, std::uint64_t tag) override;
  [[nodiscard]] Result<std::size_t> reap(std::span<log::Completion> out, bool wait) override;
  [[nodiscard]] bool can_write_now() const override { return world_->options.write_now; }
  [[nodiscard]] Status write_now(log::File& file, std::uint64_t offset,
                                 std::span<const std::byte> data, bool durable) override;

 private:
  void add(Request request);
  std::vector<std::size_t> ready(bool wait);
  Status end(const Request& request);

  std::shared_ptr<World> world_;
  const unsigned depth_;
  std::weak_ptr<LockTable::Hold> hold_;         // of the directory lock, as long as that lives
  std::shared_ptr<LockTable::Hold> busy_hold_;  // S4: while requests are in flight
  std::vector<Request> in_flight_;              // in order of submission
};

SimQueue::~SimQueue() {
  const std::lock_guard lock(world_->mutex);
  for (const Request& request : in_flight_) world_->disk.complete(request.operation);
}

void SimQueue::add(Request request) {
  request.delay = static_cast<unsigned>(world_->chance.below(world_->options.max_delay + 1));
  busy_hold_ = hold_.lock();
  in_flight_.push_back(std::move(request));
}

Status SimQueue::submit_write(log::File& file, std::uint64_t offset,
                              std::span<const std::byte> data, bool durable, std::uint64_t tag) {
  auto& sim_file = dynamic_cast<SimFile&>(file);
  const std::lock_guard lock(world_->mutex);
  require(in_flight_.size() < depth_, "fewer than depth() requests in flight");
  CAIRN_RETURN_IF_ERROR(sim_file.check_request(offset, data, true));
  const std::string what = sim_file.describe(offset, data.size()) + (durable ? " durable" : "");
  const World::Begun begun = world_->begin(IoKind::kSubmitWrite, what);
  CAIRN_RETURN_IF_ERROR(begun.status);
  CAIRN_RETURN_IF_ERROR(world_->check_space(sim_file.id(), offset + data.size()));
  const bool silent =
      begun.fault == FaultKind::kLostWrite || begun.fault == FaultKind::kMisdirectedWrite;
  if (begun.fault && !silent) return fault_status(*begun.fault, "submit write " + what);
  Request request;
  request.tag = tag;
  request.file = &sim_file;
  request.what = what;
  request.durable = durable;
  request.operation = begin_write(*world_, sim_file, offset, data, begun.fault);
  request.data = data;
  request.submitted.assign(data.begin(), data.end());
  add(std::move(request));
  return {};
}

Status SimQueue::submit_sync(log::File& file, std::uint64_t tag) {
  auto& sim_file = dynamic_cast<SimFile&>(file);
  const std::lock_guard lock(world_->mutex);
  require(in_flight_.size() < depth_, "fewer than depth() requests in flight");
  const std::string what = sim_file.directory() + "/" + sim_file.name();
  const World::Begun begun = world_->begin(IoKind::kSubmitSync, what);
  CAIRN_RETURN_IF_ERROR(begun.status);
  if (begun.fault) return fault_status(*begun.fault, "submit sync " + what);
  Request request;
  request.tag = tag;
  request.file = &sim_file;
  request.what = what;
  request.is_sync = true;
  request.moment = world_->disk.now();
  add(std::move(request));
  return {};
}

Result<std::size_t> SimQueue::reap(std::span<log::Completion> out, bool wait) {
  const std::lock_guard lock(world_->mutex);
  require(!wait || !in_flight_.empty(), "reap(wait) with a request in flight");
  std::vector<std::size_t> chosen = ready(wait && !out.empty());
  if (chosen.size() > out.size()) chosen.resize(out.size());
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const Request& request = in_flight_[chosen[i]];
    out[i] = {request.tag, end(request)};
  }
  std::ranges::sort(chosen, std::greater<>());
  for (const std::size_t index : chosen) {
    in_flight_.erase(in_flight_.begin() + static_cast<std::ptrdiff_t>(index));
  }
  if (in_flight_.empty()) busy_hold_.reset();
  return chosen.size();
}

Status SimQueue::write_now(log::File& file, std::uint64_t offset, std::span<const std::byte> data,
                           bool durable) {
  require(can_write_now(), "write_now() where it can");
  // Beside all tags of the caller's: the request is found by what it writes.
  CAIRN_RETURN_IF_ERROR(submit_write(file, offset, data, durable, 0));
  const std::lock_guard lock(world_->mutex);
  const auto own = std::ranges::find(in_flight_, data.data(),
                                     [](const Request& request) { return request.data.data(); });
  Status status = end(*own);
  in_flight_.erase(own);
  if (in_flight_.empty()) busy_hold_.reset();
  return status;
}

// The requests that can end now, in the order in which they do.
std::vector<std::size_t> SimQueue::ready(bool wait) {
  std::vector<std::size_t> found;
  do {
    for (std::size_t i = 0; i < in_flight_.size(); ++i) {
      unsigned& delay = in_flight_[i].delay;
      if (world_->crashed) delay = 0;
      if (delay == 0) {
        found.push_back(i);
      } else {
        --delay;
      }
    }
  } while (found.empty() && wait);
  if (!world_->options.reorder || found.empty()) return found;
  for (std::size_t i = found.size() - 1; i > 0; --i) {
    std::swap(found[i], found[world_->chance.below(i + 1)]);
  }
  found.resize(1 + world_->chance.below(found.size()));
  return found;
}

Status SimQueue::end(const Request& request) {
  require(request.data.size() == request.submitted.size() &&
              (request.data.empty() || std::memcmp(request.data.data(), request.submitted.data(),
                                                   request.data.size()) == 0),
          "data stays unchanged until its completion was reaped");
  const IoKind kind = request.is_sync ? IoKind::kCompleteSync : IoKind::kCompleteWrite;
  const World::Begun begun = world_->begin(kind, request.what);
  CAIRN_RETURN_IF_ERROR(begun.status);
  if (request.is_sync) return end_sync(*world_, *request.file, request.moment, begun.fault);
  return end_write(*world_, *request.file, request.operation, request.durable,
                   request.submitted.size() / kSectorSize, begun.fault, request.what);
}

}  // namespace

std::unique_ptr<log::IoQueue> make_queue(std::shared_ptr<World> world, unsigned depth,
                                         std::shared_ptr<LockTable::Hold> hold) {
  depth = std::clamp(depth, 1U, std::max(1U, world->options.max_depth));
  return std::make_unique<SimQueue>(std::move(world), depth, std::move(hold));
}

}  // namespace cairn::sim
