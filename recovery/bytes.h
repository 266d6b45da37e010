// Bytes in and out of records: little-endian, every read checked against what is there; errors with
// their place.
#ifndef CAIRN_RECOVERY_BYTES_H_
#define CAIRN_RECOVERY_BYTES_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <cairn/lsn.h>
#include <cairn/status.h>
#include <cairn/uuid.h>

namespace cairn::recovery {

// Where an error was found.
inline StatusDetail place(Lsn lsn) {
  StatusDetail detail;
  detail.lsn_begin = lsn;
  return detail;
}

class ByteWriter {
 public:
  // `size`: of all that will be written, as far as it is known.
  explicit ByteWriter(std::size_t size) : bytes_(size) {}

  void u16(std::uint16_t value) { integer(value, 2); }
  void u32(std::uint32_t value) { integer(value, 4); }
  void u64(std::uint64_t value) { integer(value, 8); }
  void uuid(const Uuid& id) { append(std::as_bytes(std::span(id.bytes))); }
  void text(std::string_view text) { append(std::as_bytes(std::span(text.data(), text.size()))); }
  void append(std::span<const std::byte> data) {
    if (data.size() > bytes_.size() - written_) bytes_.resize(written_ + data.size());
    if (!data.empty()) std::memcpy(bytes_.data() + written_, data.data(), data.size());
    written_ += data.size();
  }

  [[nodiscard]] std::vector<std::byte> take() && {
    bytes_.resize(written_);
    return std::move(bytes_);
  }

 private:
  void integer(std::uint64_t value, std::size_t width) {
    static_assert(std::endian::native == std::endian::little, "integers are written as they lie");
    append(std::as_bytes(std::span(&value, 1)).first(width));
  }
  std::vector<std::byte> bytes_;
  std::size_t written_ = 0;
};

// Reads what is asked for, or zeros once it ran past the end: ask truncated() after a group of
// reads, and use nothing of it if so. A length that was read must be held against left() before it
// is used.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> data) : data_(data) {}

  [[nodiscard]] std::uint16_t u16() { return static_cast<std::uint16_t>(integer(2)); }
  [[nodiscard]] std::uint32_t u32() { return static_cast<std::uint32_t>(integer(4)); }
  [[nodiscard]] std::uint64_t u64() { return integer(8); }
  [[nodiscard]] Uuid uuid() {
    Uuid id;
    if (const auto bytes = take(id.bytes.size()); !bytes.empty()) {
      std::memcpy(id.bytes.data(), bytes.data(), bytes.size());
    }
    return id;
  }
  // Empty if `size` is more than what is left.
  [[nodiscard]] std::span<const std::byte> take(std::size_t size) {
    if (size > data_.size()) {
      truncated_ = true;
      data_ = {};
      return {};
    }
    const auto taken = data_.first(size);
    data_ = data_.subspan(size);
    return taken;
  }

  [[nodiscard]] std::size_t left() const { return data_.size(); }
  [[nodiscard]] bool truncated() const { return truncated_; }

 private:
  std::uint64_t integer(std::size_t width) {
    static_assert(std::endian::native == std::endian::little, "integers are read as they lie");
    std::uint64_t value = 0;
    if (const auto bytes = take(width); !bytes.empty()) {
      std::memcpy(&value, bytes.data(), bytes.size());
    }
    return value;
  }

  std::span<const std::byte> data_;
  bool truncated_ = false;
};

}  // namespace cairn::recovery

#endif  // CAIRN_RECOVERY_BYTES_H_
