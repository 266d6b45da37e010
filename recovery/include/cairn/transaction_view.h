// TransactionView: a record of a transaction as it lies in its bytes. Read and checked as decode()
// does, and nothing is copied: recovery reads a million of them.
#ifndef CAIRN_TRANSACTION_VIEW_H_
#define CAIRN_TRANSACTION_VIEW_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include <cairn/lsn.h>
#include <cairn/result.h>
#include <cairn/tm_record.h>
#include <cairn/uuid.h>

namespace cairn::recovery {

// Valid as long as the bytes it was read from.
struct TransactionView {
  RecordType type = RecordType::kDecision;
  Uuid transaction{};
  std::uint64_t clock = 0;
  std::uint64_t wall_clock_ns = 0;
  Lsn original{};
  std::string_view description{};
  std::uint32_t superiors = 0;    // 0 or 1
  std::uint32_t enlistments = 0;  // without the superior
  std::uint32_t acts = 0;
  std::span<const std::byte> payload{};
  std::size_t members_begin = 0;  // where in the payload the superior lies, then the enlistments
  std::size_t acts_begin = 0;

  // The superior, if there is one, and the enlistments.
  [[nodiscard]] std::uint32_t members() const { return superiors + enlistments; }

  // Calls `visit` with the offset in the payload of each member, the superior first.
  template <typename Visit>
  void for_each_member(Visit visit) const;
};

// One member, at its offset in the payload of a record that was checked.
class MemberView {
 public:
  MemberView(const std::byte* payload, std::size_t offset) : at_(payload + offset) {}

  [[nodiscard]] Uuid enlistment() const { return uuid(0); }
  [[nodiscard]] Uuid resource_manager() const { return uuid(16); }
  [[nodiscard]] std::span<const std::byte> recovery_information() const {
    std::uint32_t size = 0;
    std::memcpy(&size, at_ + 32, sizeof size);
    return {at_ + kEnlistmentFixedBytes, size};
  }
  [[nodiscard]] std::size_t bytes() const {
    return kEnlistmentFixedBytes + recovery_information().size();
  }

 private:
  [[nodiscard]] Uuid uuid(std::size_t offset) const {
    Uuid id;
    std::memcpy(id.bytes.data(), at_ + offset, id.bytes.size());
    return id;
  }
  const std::byte* at_;
};

template <typename Visit>
void TransactionView::for_each_member(Visit visit) const {
  std::size_t offset = members_begin;
  for (std::uint32_t i = 0; i < members(); ++i) {
    visit(offset);
    offset += MemberView(payload.data(), offset).bytes();
  }
}

// Reads the payload of a record of this type, any but kForget. Errors: as decode().
[[nodiscard]] Result<TransactionView> view_transaction(Lsn lsn, RecordType type,
                                                       std::span<const std::byte> payload);
// The same facts, copied out.
[[nodiscard]] TransactionRecord copy_of(const TransactionView& view);

}  // namespace cairn::recovery

#endif  // CAIRN_TRANSACTION_VIEW_H_
