#include "queue_core.h"

#include <algorithm>
#include <mutex>
#include <utility>

namespace cairn::rm {
namespace {

// A wait for longer is one for ever; a clock does not count further than some centuries.
constexpr std::chrono::milliseconds kMaxWait = std::chrono::hours(24 * 365);

Status check_queue_name(std::string_view name) {
  if (!name.empty() && name.size() <= kMaxQueueName) return Status::ok();
  return Status(StatusCode::kInvalidArgument, "queue: expected a name of 1 to " +
                                                  std::to_string(kMaxQueueName) + " bytes, found " +
                                                  std::to_string(name.size()));
}

// What the log says of its own records must fit what is rebuilt from them.
Status as_damage(const Status& status) {
  return status ? status : Status(StatusCode::kCorrupt, status.message());
}

}  // namespace

QueueCore::QueueCore(tm::TransactionManager manager, const QueueOptions& options)
    : Participant(std::move(manager), {.name = "queues",
                                       .id = options.id,
                                       .log = options.log,
                                       .stream = options.stream,
                                       .snapshot_bytes = options.snapshot_bytes}),
      log_(options.log),
      durable_deliveries_(options.durable_deliveries) {}

Status QueueCore::open() {
  if (!is_in_managers_log()) {
    return Status(StatusCode::kInvalidArgument,
                  "queues: expected the log of the transaction manager, found " +
                      (log_ ? "that at " + log_->info().path : "none"));
  }
  max_record_ = log_->info().max_record;
  CAIRN_RETURN_IF_ERROR(start());
  recovery_ = {recovered().committed, recovered().aborted, recovered().redelivered,
               recovered().foreign};
  return Status::ok();
}

// ---- Clients

Status QueueCore::produce(const tm::Transaction& transaction, std::string_view queue,
                          std::string_view body) {
  CAIRN_RETURN_IF_ERROR(check_queue_name(queue));
  CAIRN_ASSIGN_OR_RETURN(const auto joined, work_of(transaction));
  QueueWork& work = queues_of(*joined);
  const std::size_t bytes = size_of_produce(queue, body);
  const std::lock_guard lock(mutex_);
  if (!work.is_open) return takes_no_more_work(transaction);
  CAIRN_RETURN_IF_ERROR(check_has_room(work, bytes));
  work.changes.produced.push_back({std::string(queue), std::string(body)});
  work.bytes += bytes;
  return Status::ok();
}

// The record of a delivery is appended while nobody else can touch the message: it lies behind what
// made the message, and before what ends it.
Result<QueueMessage> QueueCore::consume(const tm::Transaction& transaction, std::string_view queue,
                                        std::chrono::milliseconds limit) {
  CAIRN_RETURN_IF_ERROR(check_queue_name(queue));
  CAIRN_ASSIGN_OR_RETURN(const auto joined, work_of(transaction));
  QueueWork& work = queues_of(*joined);
  std::unique_lock lock(mutex_);
  std::optional<std::uint64_t> number;
  changed_.wait_for(lock, std::clamp(limit, std::chrono::milliseconds(0), kMaxWait), [&] {
    number = table_.first_ready(queue);
    return number || !work.is_open || !health_locked();
  });
  CAIRN_RETURN_IF_ERROR(health_locked());
  if (!work.is_open) return takes_no_more_work(transaction);
  if (!number) {
    return Status(StatusCode::kTimeout, "queue \"" + std::string(queue) +
                                            "\": no message that nobody has within " +
                                            std::to_string(limit.count()) + " ms");
  }
  CAIRN_RETURN_IF_ERROR(check_has_room(work, kSizeOfConsume));
  const auto type = static_cast<std::uint16_t>(QueueRecordType::kDelivered);
  const Result<Lsn> delivered = stream().append(type, encode_number(*number));
  // A full log loses the count in a crash, and no more than that.
  if (!delivered && (durable_deliveries_ || delivered.code() != StatusCode::kLogFull)) {
    return delivered.status();
  }
  CAIRN_RETURN_IF_ERROR(table_.take(*number, work.key));
  CAIRN_RETURN_IF_ERROR(table_.count_delivery(*number));
  work.changes.consumed.push_back(*number);
  work.bytes += kSizeOfConsume;
  const StoredMessage& found = table_.at(*number);
  QueueMessage message{*number, found.body, found.deliveries};
  lock.unlock();
  if (durable_deliveries_) CAIRN_RETURN_IF_ERROR(stream().wait_durable(*delivered));
  return message;
}

Status QueueCore::check_has_room(const QueueWork& work, std::size_t bytes) const {
  if (work.bytes + bytes <= max_record_) return Status::ok();
  return Status(StatusCode::kRecordTooLong, "unit of work " + work.promise.transaction.to_string() +
                                                ": expected a record of at most " +
                                                std::to_string(max_record_) +
                                                " bytes for all its work on queues, found " +
                                                std::to_string(work.bytes + bytes));
}

std::vector<QueueMessage> QueueCore::browse(std::string_view queue) const {
  const std::lock_guard lock(mutex_);
  return table_.browse(queue);
}

QueueDepth QueueCore::depth(std::string_view queue) const {
  const std::lock_guard lock(mutex_);
  return table_.depth(queue);
}

std::vector<std::string> QueueCore::queues() const {
  const std::lock_guard lock(mutex_);
  return table_.queues();
}

// ---- What the participant asks

std::shared_ptr<Work> QueueCore::make_work() const { return std::make_shared<QueueWork>(); }
bool QueueCore::has_changes(const Work& work) const { return !queues_of(work).changes.is_empty(); }
std::vector<std::byte> QueueCore::encode_changes(const Work& work) const {
  return encode(queues_of(work).changes);
}

Status QueueCore::adopt(Work& work, std::span<const std::byte> changes) {
  CAIRN_ASSIGN_OR_RETURN(queues_of(work).changes, decode_queue_changes(changes));
  for (const std::uint64_t number : queues_of(work).changes.consumed) {
    CAIRN_RETURN_IF_ERROR(as_damage(table_.take(number, work.key)));
  }
  return Status::ok();
}

// A crash in the middle of a snapshot leaves records behind that repeat what is known by then.
Status QueueCore::adopt_own(std::uint16_t type, std::span<const std::byte> bytes) {
  switch (QueueRecordType{type}) {
    case QueueRecordType::kNumbers: {
      CAIRN_ASSIGN_OR_RETURN(const std::uint64_t number, decode_number(bytes));
      table_.advance_next_number(number);
      return Status::ok();
    }
    case QueueRecordType::kMessage: {
      CAIRN_ASSIGN_OR_RETURN(const StoredMessage message, decode_stored_message(bytes));
      table_.put(message);
      return Status::ok();
    }
    case QueueRecordType::kDelivered: {
      CAIRN_ASSIGN_OR_RETURN(const std::uint64_t number, decode_number(bytes));
      return as_damage(table_.count_delivery(number));
    }
  }
  return Participant::adopt_own(type, bytes);
}

void QueueCore::end(Work& work, bool is_committed) {
  const QueueChanges& changes = queues_of(work).changes;
  for (const std::uint64_t number : changes.consumed) {
    if (is_committed) {
      table_.erase(number);
    } else {
      table_.give_back(number);
    }
  }
  if (!is_committed) return;
  for (const ProducedMessage& message : changes.produced) table_.add(message.queue, message.body);
}

// With the mutex held: a delivery that is counted in a message is not behind it again.
Result<Lsn> QueueCore::append_state() {
  const std::lock_guard lock(mutex_);
  CAIRN_ASSIGN_OR_RETURN(const Lsn first,
                         stream().append(static_cast<std::uint16_t>(QueueRecordType::kNumbers),
                                         encode_number(table_.next_number())));
  const auto type = static_cast<std::uint16_t>(QueueRecordType::kMessage);
  for (const auto& [number, entry] : table_.entries()) {
    CAIRN_RETURN_IF_ERROR(stream().append(type, encode(entry.message)).status());
  }
  return first;
}

}  // namespace cairn::rm
