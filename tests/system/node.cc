#include "system/node.h"

#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include <cairn/cursor.h>

namespace cairn::system_test {
namespace {

constexpr std::uint64_t kContainers = 4;
constexpr std::size_t kBigRecord = 48 << 10;
constexpr char kFiller[] = "filler";

// What a broken or full storage may answer at any call that writes.
constexpr std::initializer_list<StatusCode> kLogErrors = {
    StatusCode::kIoError,       StatusCode::kNoSpace, StatusCode::kPoisoned, StatusCode::kLogFull,
    StatusCode::kIndeterminate, StatusCode::kClosed,  StatusCode::kNotOnline};

}  // namespace

Node::Node(Stage& stage, std::string name) : stage_(stage), name_(std::move(name)) {}

bool Node::boot() {
  log::CreateOptions create;
  create.container_size = log::kMinContainerSize;
  create.max_size = kContainers * create.container_size;
  create.block_size = 64 << 10;
  create.alignment = 512;
  create.calibrate = false;
  log::OpenOptions open;
  open.storage = stage_.storage;
  open.blocks = 4;
  open.depth = 2;
  open.lock_wait = std::chrono::milliseconds(0);
  open.idle_mark = std::chrono::milliseconds(0);
  open.background = log::Background::kManual;
  open.time = [this] { return std::chrono::steady_clock::time_point(stage_.now); };
  Result<std::unique_ptr<log::Log>> opened = log::Log::open_or_create(name_, create, open);
  if (!stage_.allowed(name_ + " opens its log", opened.status(),
                      {StatusCode::kIoError, StatusCode::kNoSpace, StatusCode::kPoisoned,
                       StatusCode::kIndeterminate})) {
    return false;
  }
  log_ = std::move(*opened);
  if (open_manager() && recover()) return true;
  if (!stage_.dead()) vanish();
  return false;
}

bool Node::open_manager() {
  tm::TmOptions options;
  options.log = log_;
  options.background = tm::Background::kManual;
  options.checkpoint_bytes = kCheckpointBytes;
  options.carry_forward_bytes = kCheckpointBytes;
  options.now = [this] { return stage_.now; };
  options.wall_clock = [this] { return static_cast<std::uint64_t>(stage_.now.count()); };
  if (rename_ && !id_.is_null()) {
    const Result<Uuid> renamed = tm::TransactionManager::rename(options, id_);
    // A crash may have come between the rename and the news of it.
    const bool was_renamed = renamed.code() == StatusCode::kIdentityMismatch;
    if (!was_renamed && !stage_.allowed(name_ + " is renamed", renamed.status(), kLogErrors)) {
      return false;
    }
    rename_ = false;
    former_id_ = std::exchange(id_, was_renamed ? Uuid{} : *renamed);
    stage_.tally.add("renames");
  }
  Result<tm::TransactionManager> opened = tm::TransactionManager::open_or_create(options);
  if (!stage_.allowed(name_ + " opens its manager", opened.status(), kLogErrors)) return false;
  tm_ = std::move(*opened);
  if (!id_.is_null() && tm_.id() != id_) {
    stage_.model.violate("I4: " + name_ + " came back with another identity");
  }
  id_ = tm_.id();
  return true;
}

bool Node::recover() {
  if (stage_.random.chance(10)) {
    const auto forward = tm_.roll_forward(stage_.random.below(6));
    stage_.tally.add("roll forwards");
    if (!stage_.allowed(name_ + " rolls forward", forward.status(), kLogErrors)) return false;
    if (forward->at_end) return true;
  }
  const auto report = tm_.recover();
  if (!stage_.allowed(name_ + " recovers", report.status(), kLogErrors)) return false;
  for (const Uuid& transaction : report->committed) {
    stage_.model.tell(transaction, Ending::kCommitted, name_ + " in its recovery");
  }
  stage_.tally.add("recovered in doubt", report->in_doubt.size());
  stage_.tally.add("recovered committed", report->committed.size());
  return true;
}

bool Node::close() {
  const Status tm = tm_.close();
  bool fine = stage_.allowed(name_ + " closes its manager", tm, kLogErrors);
  filling_.release();
  const Status log = log_->close();
  fine = stage_.allowed(name_ + " closes its log", log, kLogErrors) && fine;
  vanish();
  return fine;
}

void Node::vanish() {
  filling_.release();
  tm_ = tm::TransactionManager();
  log_ = nullptr;
}

bool Node::online() const {
  const auto information = tm_.information();
  return information && information->state == tm::TmState::kOnline;
}

bool Node::stuck() const { return up() && (!online() || !log_->health()); }

bool Node::fill() {
  if (!up()) return false;
  auto stream = log_->open_or_create_stream(kFiller);
  if (!stage_.allowed(name_ + " fills: stream", stream.status(), kLogErrors)) return true;
  bool any = false;
  for (std::uint64_t piece = 1 << 20; piece >= 64;) {
    Result<log::Reservation> more =
        stream->reserve(static_cast<std::uint32_t>(piece / kBigRecord + 1), piece);
    if (!more) {
      piece /= 4;
      continue;
    }
    any = true;
    if (filling_.records() == 0) {
      filling_ = std::move(*more);
    } else {
      filling_.merge(std::move(*more));
    }
  }
  stage_.say(name_ + " is full");
  if (any) stage_.tally.add("full logs");
  return true;
}

bool Node::drain() {
  if (!up() || filling_.records() == 0) return false;
  filling_.release();
  return true;
}

bool Node::grow() {
  if (!up()) return false;
  auto stream = log_->open_or_create_stream(kFiller);
  if (!stage_.allowed(name_ + " grows: stream", stream.status(), kLogErrors)) return true;
  static const std::vector<std::byte> kBytes(kBigRecord, std::byte{7});
  for (int i = 0; i < 24; ++i) {
    const auto lsn = stream->append(kBytes);
    if (!stage_.allowed(name_ + " grows", lsn.status(), kLogErrors)) return true;
  }
  const Status advanced = stream->advance_base(log_->info().end);
  stage_.allowed(name_ + " lets go of what it wrote", advanced, kLogErrors);
  return true;
}

Lsn Node::keep(const std::string& stream, const Uuid& transaction) {
  if (!up()) return Lsn::null();
  auto opened = log_->open_or_create_stream(stream);
  if (!stage_.allowed(stream + " opens its stream", opened.status(), kLogErrors)) return {};
  const auto lsn = opened->append(std::as_bytes(std::span(transaction.bytes)));
  return stage_.allowed(stream + " appends", lsn.status(), kLogErrors) ? *lsn : Lsn::null();
}

std::set<Uuid> Node::kept(const std::string& stream) {
  std::set<Uuid> found;
  auto opened = log_->open_stream(stream);
  if (!opened) return found;
  auto cursor = opened->read();
  while (cursor) {
    const auto record = cursor->next();
    if (!stage_.allowed(stream + " reads", record.status(), {}) || !*record) break;
    Uuid transaction;
    std::memcpy(transaction.bytes.data(), (*record)->payload.data(), transaction.bytes.size());
    found.insert(transaction);
  }
  return found;
}

void Node::drop_kept(const std::string& stream) {
  auto opened = log_->open_stream(stream);
  if (opened) {
    stage_.allowed(stream + " lets go", opened->advance_base(log_->info().end), {});
  }
}

std::string Node::left_over() {
  const auto information = tm_.information();
  if (!information) return "T4: " + name_ + ": " + information.status().to_string();
  const auto count = [&](std::uint64_t left, const char* what) {
    return left == 0 ? std::string()
                     : "T4: " + name_ + " still has " + std::to_string(left) + " " + what;
  };
  std::string left = count(information->transactions, "transactions");
  if (left.empty()) left = count(information->enlistments, "enlistments");
  if (left.empty() && !information->oldest.is_null()) left = "T4: " + name_ + " pins its log";
  if (!left.empty()) return left;
  filling_.release();
  stage_.allowed(name_ + " writes a checkpoint", tm_.checkpoint(), {});
  stage_.allowed(name_ + " writes another", tm_.checkpoint(), {});
  const log::LogInfo log = log_->info();
  if (log.space.reserved.bytes != 0 || log.space.reserved.reservations != 0) {
    return "T5: " + name_ + " holds reservations of " + std::to_string(log.space.reserved.bytes) +
           " bytes for nobody";
  }
  // The base is at the last restart area but one, or behind.
  const Lsn base = tm_.information()->base;
  if (log.end.value() - base.value() > kCheckpointBytes) {
    return "T5: the base of " + name_ + " stays at " + base.to_string() + ", its end is " +
           log.end.to_string();
  }
  // A power cut may take back the news that a container was given up, but not its successor: one
  // more than the maximum is there until the next one is recycled.
  if (log.space.containers > kContainers + 1) {
    return "T5: " + name_ + " has " + std::to_string(log.space.containers) + " containers";
  }
  return {};
}

}  // namespace cairn::system_test
