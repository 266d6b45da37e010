#include "queue_table.h"

#include <algorithm>

namespace cairn::rm {
namespace {

Status no_message(std::uint64_t number) {
  return Status(StatusCode::kNotFound, "expected message " + std::to_string(number) +
                                           " in a queue, found none of this number");
}

}  // namespace

void QueueTable::add(std::string_view queue, std::string_view body) {
  put({next_number_, 0, std::string(queue), std::string(body)});
}

void QueueTable::put(const StoredMessage& message) {
  advance_next_number(message.number + 1);
  const auto [entry, is_new] = entries_.try_emplace(message.number);
  entry->second.message = message;
  if (is_new) queues_[message.queue].ready.insert(message.number);
}

void QueueTable::advance_next_number(std::uint64_t number) {
  next_number_ = std::max(next_number_, number);
}

std::optional<std::uint64_t> QueueTable::first_ready(std::string_view queue) const {
  const auto found = queues_.find(queue);
  if (found == queues_.end() || found->second.ready.empty()) return std::nullopt;
  return *found->second.ready.begin();
}

Status QueueTable::take(std::uint64_t number, std::uint64_t work) {
  const auto found = entries_.find(number);
  if (found == entries_.end()) return no_message(number);
  Entry& entry = found->second;
  if (entry.taken_by == work) return Status::ok();
  if (entry.taken_by != 0) {
    return Status(StatusCode::kLocked,
                  "message " + std::to_string(number) + " is taken by another transaction");
  }
  entry.taken_by = work;
  Queue& queue = queues_[entry.message.queue];
  queue.ready.erase(number);
  ++queue.taken;
  return Status::ok();
}

Status QueueTable::count_delivery(std::uint64_t number) {
  const auto found = entries_.find(number);
  if (found == entries_.end()) return no_message(number);
  ++found->second.message.deliveries;
  return Status::ok();
}

void QueueTable::give_back(std::uint64_t number) {
  Entry& entry = entries_.at(number);
  entry.taken_by = 0;
  Queue& queue = queues_[entry.message.queue];
  queue.ready.insert(number);
  --queue.taken;
}

void QueueTable::erase(std::uint64_t number) {
  const Entry& entry = entries_.at(number);
  const auto queue = queues_.find(entry.message.queue);
  if (entry.taken_by == 0) {
    queue->second.ready.erase(number);
  } else {
    --queue->second.taken;
  }
  if (queue->second.ready.empty() && queue->second.taken == 0) queues_.erase(queue);
  entries_.erase(number);
}

const StoredMessage& QueueTable::at(std::uint64_t number) const {
  return entries_.at(number).message;
}

std::vector<QueueMessage> QueueTable::browse(std::string_view queue) const {
  std::vector<QueueMessage> messages;
  const auto found = queues_.find(queue);
  if (found == queues_.end()) return messages;
  for (const std::uint64_t number : found->second.ready) {
    const StoredMessage& message = at(number);
    messages.push_back({number, message.body, message.deliveries});
  }
  return messages;
}

QueueDepth QueueTable::depth(std::string_view queue) const {
  const auto found = queues_.find(queue);
  if (found == queues_.end()) return {};
  return {found->second.ready.size(), found->second.taken};
}

std::vector<std::string> QueueTable::queues() const {
  std::vector<std::string> names;
  for (const auto& [name, queue] : queues_) names.push_back(name);
  return names;
}

}  // namespace cairn::rm
