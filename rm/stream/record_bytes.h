// RecordBytes: numbers, identities and texts in the bytes of a record, little-endian.
#ifndef CAIRN_RM_STREAM_RECORD_BYTES_H_
#define CAIRN_RM_STREAM_RECORD_BYTES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <cairn/result.h>
#include <cairn/uuid.h>

namespace cairn::rm {

inline constexpr std::size_t kUuidSize = 16;

// The lowest `size` bytes of `value`.
void put_number(std::vector<std::byte>& out, std::uint64_t value, std::size_t size);
void put_uuid(std::vector<std::byte>& out, const Uuid& id);
void put_text(std::vector<std::byte>& out, std::string_view text);

// Takes bytes from the front of what is left; every length is checked against it. Errors:
// kCorrupt, with what was expected and found at which offset.
class RecordReader {
 public:
  explicit RecordReader(std::span<const std::byte> bytes) : size_(bytes.size()), rest_(bytes) {}

  [[nodiscard]] bool is_empty() const { return rest_.empty(); }
  [[nodiscard]] std::span<const std::byte> rest() const { return rest_; }

  [[nodiscard]] Result<std::uint64_t> take_number(std::size_t size, const char* what);
  [[nodiscard]] Result<Uuid> take_uuid(const char* what);
  [[nodiscard]] Result<std::string> take_text(std::uint64_t size, const char* what);

 private:
  [[nodiscard]] Result<std::span<const std::byte>> take(std::uint64_t size, const char* what);

  std::size_t size_;
  std::span<const std::byte> rest_;
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_STREAM_RECORD_BYTES_H_
