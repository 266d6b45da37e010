#include "soak_machine.h"

#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <mutex>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "kill_child.h"
#include "kill_messages.h"
#include "system_error.h"

namespace cairn::torture {

namespace {

constexpr std::chrono::seconds kLongWait(30);
// Small: checkpoints, snapshots of resource managers and recycling come often.
constexpr std::uint64_t kSoakCheckpointBytes = std::uint64_t{256} << 10;

Uuid member_id(char which) {
  Uuid id;
  std::memcpy(id.bytes.data(), "soak member    ", 15);
  id.bytes.back() = static_cast<std::uint8_t>(which);
  return id;
}

std::string member_name(std::uint32_t worker) { return "worker" + std::to_string(worker); }

std::string body_of(std::uint32_t worker, std::uint64_t number) {
  const std::vector<std::byte> bytes = payload_of(worker, number);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Result<std::uint64_t> number_in(std::uint32_t worker, const std::string& body,
                                const std::string& where) {
  const auto number = sequence_in(worker, std::as_bytes(std::span(body)));
  if (number) return *number;
  return Status(StatusCode::kCorrupt,
                "T1: " + where + " of " + member_name(worker) + " holds what no transaction wrote");
}

}  // namespace

Result<std::unique_ptr<SoakMachine>> SoakMachine::open(const std::string& directory,
                                                       log::StorageKind storage) {
  std::unique_ptr<SoakMachine> machine(new SoakMachine());
  machine->directory_ = directory;
  CAIRN_ASSIGN_OR_RETURN(machine->storage_, log::make_storage(storage));
  const auto open_log = [&](const char* name) {
    return open_appended_log(machine->path(name), machine->storage_);
  };
  CAIRN_ASSIGN_OR_RETURN(machine->appended_, open_log("log"));
  // A life before may have been killed while an archive was made.
  CAIRN_RETURN_IF_ERROR(machine->appended_->stop_archiving());
  CAIRN_ASSIGN_OR_RETURN(machine->tm_log_, open_log("tm"));
  tm::TmOptions options;
  options.log = machine->tm_log_;
  options.checkpoint_bytes = kSoakCheckpointBytes;
  CAIRN_ASSIGN_OR_RETURN(machine->tm_, tm::TransactionManager::open_or_create(options));
  CAIRN_RETURN_IF_ERROR(machine->tm_.recover().status());
  if (::mkdir(machine->path("tree").c_str(), 0700) != 0 && errno != EEXIST) {
    return system_error(machine->path("tree"));
  }
  CAIRN_RETURN_IF_ERROR(machine->open_files());
  CAIRN_RETURN_IF_ERROR(machine->open_queue());
  return machine;
}

Status SoakMachine::open_files() {
  rm::FilesOptions options;
  options.id = member_id('f');
  options.tree = path("tree");
  options.log = tm_log_;
  options.snapshot_bytes = kSoakCheckpointBytes;
  CAIRN_ASSIGN_OR_RETURN(files_, rm::FilesResourceManager::open(tm_, options));
  if (files_->recovery().missing.empty()) return {};
  return Status(StatusCode::kCorrupt,
                "T2: files that were promised are missing: " + files_->recovery().missing.front());
}

Status SoakMachine::open_queue() {
  rm::QueueOptions options;
  options.id = member_id('q');
  options.log = tm_log_;
  options.snapshot_bytes = kSoakCheckpointBytes;
  CAIRN_ASSIGN_OR_RETURN(queue_, rm::QueueResourceManager::open(tm_, options));
  return {};
}

Status SoakMachine::close() {
  files_.reset();
  queue_.reset();
  CAIRN_RETURN_IF_ERROR(tm_.close());
  CAIRN_RETURN_IF_ERROR(tm_log_->close());
  return appended_->close();
}

Status SoakMachine::wait_until_all_is_forgotten() {
  const auto deadline = std::chrono::steady_clock::now() + kLongWait;
  while (true) {
    CAIRN_ASSIGN_OR_RETURN(const std::vector<Uuid> left, tm_.transactions());
    if (left.empty()) return {};
    if (std::chrono::steady_clock::now() > deadline) {
      return Status(StatusCode::kCorrupt,
                    "T4: " + std::to_string(left.size()) + " transactions are not forgotten");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

// What file and queue of a worker agree on.
Result<std::uint64_t> SoakMachine::found(std::uint32_t worker) {
  const std::string name = member_name(worker);
  std::uint64_t in_file = 0;
  const Result<std::string> contents = files_->read(name, kLongWait);
  if (contents) {
    CAIRN_ASSIGN_OR_RETURN(in_file, number_in(worker, *contents, "the file"));
  } else if (contents.code() != StatusCode::kNotFound) {
    return contents.status();
  }
  std::uint64_t in_queue = 0;
  const std::vector<rm::QueueMessage> messages = queue_->browse(name);
  const std::size_t expected = in_file == 0 ? 0 : 1;
  if (messages.size() != expected || queue_->depth(name).taken != 0) {
    return Status(StatusCode::kCorrupt, "T1: the queue of " + name + ": expected " +
                                            std::to_string(expected) + " message, found " +
                                            std::to_string(messages.size()));
  }
  if (!messages.empty()) {
    CAIRN_ASSIGN_OR_RETURN(in_queue, number_in(worker, messages[0].body, "the queue"));
  }
  if (in_file == in_queue) return in_file;
  return Status(StatusCode::kCorrupt, "T1: the file of " + name + " has transaction " +
                                          std::to_string(in_file) + ", its queue " +
                                          std::to_string(in_queue));
}

Result<std::array<std::uint64_t, kSoakWorkers>> SoakMachine::check(const SoakTransactions& asked) {
  CAIRN_RETURN_IF_ERROR(wait_until_all_is_forgotten());
  std::array<std::uint64_t, kSoakWorkers> all{};
  for (std::uint32_t worker = 0; worker < kSoakWorkers; ++worker) {
    CAIRN_ASSIGN_OR_RETURN(all[worker], found(worker));
    const SoakAsked& known = asked[worker];
    if (all[worker] == known.committed || (known.open && all[worker] == known.asked)) continue;
    const std::string what = all[worker] < known.committed
                                 ? "T2: an acknowledged commit is lost"
                                 : "T3: what was rolled back, or never asked for, is committed";
    return Status(StatusCode::kCorrupt,
                  what + ": " + member_name(worker) + ": expected transaction " +
                      std::to_string(known.committed) +
                      (known.open ? " or " + std::to_string(known.asked) : std::string()) +
                      ", found " + std::to_string(all[worker]));
  }
  return all;
}

Status SoakMachine::work(const tm::Transaction& transaction, std::uint32_t worker,
                         std::uint64_t before, std::uint64_t number) {
  const std::string name = member_name(worker);
  const std::string body = body_of(worker, number);
  {
    const std::shared_lock lock(files_mutex_);
    CAIRN_RETURN_IF_ERROR(files_->write(transaction, name, body));
  }
  const std::shared_lock lock(queue_mutex_);
  if (before != 0) {
    CAIRN_ASSIGN_OR_RETURN(const rm::QueueMessage message,
                           queue_->consume(transaction, name, kLongWait));
    CAIRN_ASSIGN_OR_RETURN(const std::uint64_t taken, number_in(worker, message.body, "the queue"));
    if (taken != before) {
      return Status(StatusCode::kCorrupt, "T1: the queue of " + name + " gave transaction " +
                                              std::to_string(taken) + " instead of " +
                                              std::to_string(before));
    }
  }
  return queue_->produce(transaction, name, body);
}

Status SoakMachine::send_away(Member member, std::chrono::milliseconds time) {
  if (member == Member::kFiles) {
    const std::unique_lock lock(files_mutex_);
    files_.reset();
    std::this_thread::sleep_for(time);
    return open_files();
  }
  const std::unique_lock lock(queue_mutex_);
  queue_.reset();
  std::this_thread::sleep_for(time);
  return open_queue();
}

}  // namespace cairn::torture
