#include "queue_record.h"

#include <utility>

#include "stream/record_bytes.h"

namespace cairn::rm {
namespace {

Result<std::string> take_name(RecordReader& reader, std::uint64_t size) {
  if (size > 0) return reader.take_text(size, "queue's name");
  return Status(StatusCode::kCorrupt, "expected the name of a queue, found an empty one");
}

}  // namespace

std::vector<std::byte> encode(const QueueChanges& changes) {
  std::vector<std::byte> out;
  for (const ProducedMessage& message : changes.produced) {
    put_number(out, static_cast<std::uint64_t>(QueueChangeKind::kProduce), 1);
    put_number(out, message.queue.size(), 1);
    put_number(out, message.body.size(), 4);
    put_text(out, message.queue);
    put_text(out, message.body);
  }
  for (const std::uint64_t number : changes.consumed) {
    put_number(out, static_cast<std::uint64_t>(QueueChangeKind::kConsume), 1);
    put_number(out, number, 8);
  }
  return out;
}

Result<QueueChanges> decode_queue_changes(std::span<const std::byte> bytes) {
  RecordReader reader(bytes);
  QueueChanges changes;
  while (!reader.is_empty()) {
    CAIRN_ASSIGN_OR_RETURN(const std::uint64_t kind, reader.take_number(1, "kind"));
    if (kind == static_cast<std::uint64_t>(QueueChangeKind::kProduce)) {
      ProducedMessage message;
      CAIRN_ASSIGN_OR_RETURN(const std::uint64_t name_size, reader.take_number(1, "name length"));
      CAIRN_ASSIGN_OR_RETURN(const std::uint64_t body_size, reader.take_number(4, "body length"));
      CAIRN_ASSIGN_OR_RETURN(message.queue, take_name(reader, name_size));
      CAIRN_ASSIGN_OR_RETURN(message.body, reader.take_text(body_size, "body"));
      changes.produced.push_back(std::move(message));
    } else if (kind == static_cast<std::uint64_t>(QueueChangeKind::kConsume)) {
      CAIRN_ASSIGN_OR_RETURN(const std::uint64_t number, reader.take_number(8, "number"));
      changes.consumed.push_back(number);
    } else {
      return Status(StatusCode::kCorrupt,
                    "expected a change of a queue, found kind " + std::to_string(kind));
    }
  }
  return changes;
}

std::vector<std::byte> encode(const StoredMessage& message) {
  std::vector<std::byte> out;
  put_number(out, message.number, 8);
  put_number(out, message.deliveries, 4);
  put_number(out, message.queue.size(), 1);
  put_text(out, message.queue);
  put_text(out, message.body);
  return out;
}

Result<StoredMessage> decode_stored_message(std::span<const std::byte> bytes) {
  RecordReader reader(bytes);
  StoredMessage message;
  CAIRN_ASSIGN_OR_RETURN(message.number, reader.take_number(8, "number"));
  CAIRN_ASSIGN_OR_RETURN(const std::uint64_t deliveries, reader.take_number(4, "deliveries"));
  CAIRN_ASSIGN_OR_RETURN(const std::uint64_t name_size, reader.take_number(1, "name length"));
  CAIRN_ASSIGN_OR_RETURN(message.queue, take_name(reader, name_size));
  CAIRN_ASSIGN_OR_RETURN(message.body, reader.take_text(reader.rest().size(), "body"));
  message.deliveries = static_cast<std::uint32_t>(deliveries);
  return message;
}

std::vector<std::byte> encode_number(std::uint64_t number) {
  std::vector<std::byte> out;
  put_number(out, number, 8);
  return out;
}

Result<std::uint64_t> decode_number(std::span<const std::byte> bytes) {
  RecordReader reader(bytes);
  CAIRN_ASSIGN_OR_RETURN(const std::uint64_t number, reader.take_number(8, "number"));
  if (reader.is_empty()) return number;
  return Status(StatusCode::kCorrupt, "expected the end behind a number, found " +
                                          std::to_string(reader.rest().size()) + " bytes more");
}

}  // namespace cairn::rm
