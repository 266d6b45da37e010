#include "format/catalog_record.h"

#include <cstring>
#include <type_traits>
#include <utility>

namespace cairn::log::format {
namespace {

// Appends plain integers and structures without padding.
class Writer {
 public:
  template <typename T>
  void put(const T& value) {
    static_assert(std::has_unique_object_representations_v<T>);
    const auto* from = reinterpret_cast<const std::byte*>(&value);
    bytes_.insert(bytes_.end(), from, from + sizeof value);
  }
  void put(Lsn lsn) { put(lsn.value()); }
  void put_text(const std::string& text) {
    put(static_cast<std::uint32_t>(text.size()));
    const auto* from = reinterpret_cast<const std::byte*>(text.data());
    bytes_.insert(bytes_.end(), from, from + text.size());
  }
  [[nodiscard]] std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

// Takes them back; once something did not fit, everything after yields zeros and ok() is false.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : rest_(bytes) {}

  template <typename T>
  [[nodiscard]] T get() {
    T value{};
    if (rest_.size() < sizeof value) {
      ok_ = false;
      rest_ = {};
      return value;
    }
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_ = rest_.subspan(sizeof value);
    return value;
  }
  [[nodiscard]] Lsn get_lsn() { return Lsn(get<std::uint64_t>()); }
  [[nodiscard]] std::string get_text() {
    const auto size = get<std::uint32_t>();
    if (size > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    std::string text(reinterpret_cast<const char*>(rest_.data()), size);
    rest_ = rest_.subspan(size);
    return text;
  }
  [[nodiscard]] bool empty() const { return rest_.empty(); }
  // All was there, and nothing is left.
  [[nodiscard]] bool finished() const { return ok_ && rest_.empty(); }
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  std::span<const std::byte> rest_;
  bool ok_ = true;
};

template <class... Fs>
struct Overload : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overload(Fs...) -> Overload<Fs...>;  // NOLINT(readability-identifier-naming): a guide

SnapshotStream get_stream(Reader& in) {
  SnapshotStream stream;
  stream.id = in.get<std::uint32_t>();
  stream.base = in.get_lsn();
  stream.last = in.get_lsn();
  stream.restart = in.get_lsn();
  stream.previous_restart = in.get_lsn();
  stream.name = in.get_text();
  return stream;
}

CatalogRecord get_record(CatalogType type, Reader& in) {
  switch (type) {
    case CatalogType::kContainerHeader:
      return in.get<ContainerHeader>();
    case CatalogType::kStreamCreated: {
      StreamCreated record;
      record.id = in.get<std::uint32_t>();
      record.name = in.get_text();
      return record;
    }
    case CatalogType::kStreamDeleted:
      return StreamDeleted{in.get<std::uint32_t>()};
    case CatalogType::kBaseAdvanced: {
      BaseAdvanced record;
      record.id = in.get<std::uint32_t>();
      record.base = in.get_lsn();
      return record;
    }
    case CatalogType::kSnapshotBegin:
      return SnapshotBegin{in.get<std::uint32_t>()};
    case CatalogType::kSnapshotStreams: {
      SnapshotStreams record;
      while (in.ok() && !in.empty()) record.streams.push_back(get_stream(in));
      return record;
    }
    case CatalogType::kSnapshotGaps: {
      SnapshotGaps record;
      while (in.ok() && !in.empty()) {
        Gap gap;
        gap.begin = in.get_lsn();
        gap.end = in.get_lsn();
        record.gaps.push_back(gap);
      }
      return record;
    }
    case CatalogType::kSnapshotEnd:
      return SnapshotEnd{in.get_lsn()};
    case CatalogType::kMark:
      return in.get<Mark>();
    case CatalogType::kPolicies:
      return in.get<PolicyRecord>();
    case CatalogType::kArchiveTail: {
      ArchiveTail record;
      record.tail = in.get_lsn();
      record.changed = in.get_lsn();
      return record;
    }
    case CatalogType::kTruncation: {
      Truncation record;
      record.from = in.get_lsn();
      record.to = in.get_lsn();
      return record;
    }
  }
  return Mark{};  // unreachable: decode_catalog() checked the type
}

}  // namespace

EncodedCatalogRecord encode_catalog(const CatalogRecord& record) {
  Writer out;
  const CatalogType type = std::visit(
      Overload{
          [&](const ContainerHeader& r) { return out.put(r), CatalogType::kContainerHeader; },
          [&](const StreamCreated& r) {
            out.put(r.id);
            out.put_text(r.name);
            return CatalogType::kStreamCreated;
          },
          [&](const StreamDeleted& r) { return out.put(r.id), CatalogType::kStreamDeleted; },
          [&](const BaseAdvanced& r) {
            out.put(r.id);
            out.put(r.base);
            return CatalogType::kBaseAdvanced;
          },
          [&](const SnapshotBegin& r) {
            return out.put(r.next_stream), CatalogType::kSnapshotBegin;
          },
          [&](const SnapshotStreams& r) {
            for (const SnapshotStream& s : r.streams) {
              out.put(s.id);
              for (const Lsn lsn : {s.base, s.last, s.restart, s.previous_restart}) out.put(lsn);
              out.put_text(s.name);
            }
            return CatalogType::kSnapshotStreams;
          },
          [&](const SnapshotGaps& r) {
            for (const Gap& gap : r.gaps) {
              out.put(gap.begin);
              out.put(gap.end);
            }
            return CatalogType::kSnapshotGaps;
          },
          [&](const SnapshotEnd& r) { return out.put(r.begin), CatalogType::kSnapshotEnd; },
          [&](const Mark& r) { return out.put(r), CatalogType::kMark; },
          [&](const PolicyRecord& r) { return out.put(r), CatalogType::kPolicies; },
          [&](const ArchiveTail& r) {
            out.put(r.tail);
            out.put(r.changed);
            return CatalogType::kArchiveTail;
          },
          [&](const Truncation& r) {
            out.put(r.from);
            out.put(r.to);
            return CatalogType::kTruncation;
          },
      },
      record);
  return {type, out.take()};
}

Result<CatalogRecord> decode_catalog(std::uint16_t type, std::span<const std::byte> payload,
                                     Lsn lsn) {
  StatusDetail detail;
  detail.lsn_begin = lsn;
  if (type < static_cast<std::uint16_t>(CatalogType::kContainerHeader) ||
      type > static_cast<std::uint16_t>(CatalogType::kTruncation)) {
    return Status(StatusCode::kCorrupt,
                  "LSN " + lsn.to_string() + ": catalog record type: expected 1 to 12, found " +
                      std::to_string(type),
                  detail);
  }
  Reader in(payload);
  CatalogRecord record = get_record(static_cast<CatalogType>(type), in);
  if (!in.finished()) {
    return Status(StatusCode::kCorrupt,
                  "LSN " + lsn.to_string() + ": catalog record of type " + std::to_string(type) +
                      " does not fit its " + std::to_string(payload.size()) + " bytes of payload",
                  detail);
  }
  return record;
}

std::string describe(const CatalogRecord& record) {
  return std::visit(
      Overload{
          [](const ContainerHeader& r) {
            return "container header: number " + std::to_string(r.number) + ", scan start " +
                   std::to_string(r.scan_start) + ", tail " + std::to_string(r.tail);
          },
          [](const StreamCreated& r) {
            return "stream created: " + std::to_string(r.id) + " \"" + r.name + "\"";
          },
          [](const StreamDeleted& r) { return "stream deleted: " + std::to_string(r.id); },
          [](const BaseAdvanced& r) {
            return "base advanced: stream " + std::to_string(r.id) + " to " + r.base.to_string();
          },
          [](const SnapshotBegin& r) {
            return "snapshot begins: next stream " + std::to_string(r.next_stream);
          },
          [](const SnapshotStreams& r) {
            return "snapshot: " + std::to_string(r.streams.size()) + " streams";
          },
          [](const SnapshotGaps& r) {
            return "snapshot: " + std::to_string(r.gaps.size()) + " gaps";
          },
          [](const SnapshotEnd& r) { return "snapshot ends: begun at " + r.begin.to_string(); },
          [](const Mark& r) {
            return std::string(r.closed != 0 ? "closing mark" : "idle mark") + ": durable before " +
                   std::to_string(r.durable);
          },
          [](const PolicyRecord& r) {
            return std::string("policies: maximum ") + std::to_string(r.max_size) + ", minimum " +
                   std::to_string(r.min_size) + ", growth " + std::to_string(r.growth) +
                   ", ahead " + std::to_string(r.ahead) + ", spares " +
                   std::to_string(r.spare_max) + ", shrink at " + std::to_string(r.shrink_percent) +
                   "%, low space at " + std::to_string(r.low_space_percent) + "%, restart area " +
                   std::to_string(r.restart_area);
          },
          [](const ArchiveTail& r) {
            return r.tail.is_null() ? std::string("archive tail: off")
                                    : "archive tail: " + r.tail.to_string();
          },
          [](const Truncation& r) {
            return "truncation: records from LSN " + r.from.to_string() + " to " +
                   r.to.to_string() + " are gone";
          },
      },
      record);
}

}  // namespace cairn::log::format
