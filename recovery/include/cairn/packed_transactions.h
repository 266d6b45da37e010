// PackedTransactions: what recovery found and nobody has touched yet, in few bytes.
#ifndef CAIRN_PACKED_TRANSACTIONS_H_
#define CAIRN_PACKED_TRANSACTIONS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <cairn/lsn.h>
#include <cairn/status.h>
#include <cairn/tm_record.h>
#include <cairn/transaction_view.h>
#include <cairn/uuid.h>

namespace cairn::recovery {

// Numbers by hash, in O(1). Open addressing as in a table of objects, but a slot has 8 bytes: the
// number, and 32 bits of the hash, so that what is looked for is seldom compared with another, and
// nothing needs to be looked at to make room.
class HashIndex {
 public:
  static constexpr std::uint32_t kNone = 0xFFFF'FFFF;

  // `is_it(number)` says whether it is the one. kNone: it is not there.
  template <typename IsIt>
  [[nodiscard]] std::uint32_t find(std::uint32_t hash, IsIt is_it) const {
    if (slots_.empty()) return kNone;
    for (std::size_t at = hash & mask();; at = (at + 1) & mask()) {
      if (slots_[at] == 0) return kNone;
      if (hash_of(slots_[at]) == hash && is_it(number_of(slots_[at]))) return number_of(slots_[at]);
    }
  }
  // Fetches the memory that a look at this hash begins with.
  void prefetch(std::uint32_t hash) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[hash & mask()], 1);
  }
  // REQUIRES: it is not there; number < kNone.
  void insert(std::uint32_t hash, std::uint32_t number);
  // REQUIRES: it is there.
  void erase(std::uint32_t hash, std::uint32_t number);
  void clear();

 private:
  [[nodiscard]] std::size_t mask() const { return slots_.size() - 1; }
  [[nodiscard]] static std::uint32_t hash_of(std::uint64_t slot) {
    return static_cast<std::uint32_t>(slot >> 32);
  }
  [[nodiscard]] static std::uint32_t number_of(std::uint64_t slot) {
    return static_cast<std::uint32_t>(slot) - 1;
  }
  void place(std::uint64_t slot);

  std::vector<std::uint64_t> slots_;  // as many as a power of two, or none; 0: empty
  std::size_t size_ = 0;
};

// Each transaction is its record's bytes and a row; each of its members, the superior too, a row.
// Rows are numbered in the order in which they were added, which is that of the LSNs; those of one
// transaction's members follow each other, the superior first. A number is never used twice, but
// pack() gives new ones. Found by identity in O(1). For one thread at a time.
class PackedTransactions {
 public:
  static constexpr std::uint32_t kNone = HashIndex::kNone;

  PackedTransactions() = default;
  PackedTransactions(PackedTransactions&&) = default;
  PackedTransactions& operator=(PackedTransactions&&) = default;

  // Copies the record's bytes. Error: kResourceExhausted (2^32 members). REQUIRES: its LSN is above
  // those here; neither it nor a member of it is here.
  [[nodiscard]] Status add(Lsn lsn, const TransactionView& view);
  // Its memory comes back with pack(), or with the last one.
  void erase(std::uint32_t row);
  // Gives up what erased ones took. All get new numbers.
  void pack();

  // Not erased, and their members.
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t members() const { return live_members_; }
  // Erased, and still taking memory.
  [[nodiscard]] std::size_t erased() const { return rows_.size() - size_; }

  // kNone: not here.
  [[nodiscard]] std::uint32_t find(const Uuid& transaction) const;
  [[nodiscard]] std::uint32_t find_member(const Uuid& enlistment) const;

  // The same, and an add(), will soon be asked for with this identity: fetches the memory for it.
  void prefetch(const Uuid& transaction) const;
  void prefetch_member(const Uuid& enlistment) const;

  // All rows are below; each may be erased.
  [[nodiscard]] std::uint32_t end() const { return static_cast<std::uint32_t>(rows_.size()); }
  [[nodiscard]] bool is_here(std::uint32_t row) const { return rows_[row].here; }
  // The first that is not erased; end(): there is none. All in all O(n).
  [[nodiscard]] std::uint32_t first() const;

  // Of one that is here.
  [[nodiscard]] Uuid id(std::uint32_t row) const;
  [[nodiscard]] Lsn lsn(std::uint32_t row) const { return rows_[row].lsn; }
  [[nodiscard]] RecordType type(std::uint32_t row) const { return rows_[row].type; }
  [[nodiscard]] bool has_acts(std::uint32_t row) const { return rows_[row].has_acts; }
  [[nodiscard]] std::span<const std::byte> payload(std::uint32_t row) const {
    return {rows_[row].payload, rows_[row].bytes};
  }
  [[nodiscard]] TransactionRecord record(std::uint32_t row) const;
  // Its members are these rows.
  [[nodiscard]] std::uint32_t members_begin(std::uint32_t row) const {
    return rows_[row].members_begin;
  }
  [[nodiscard]] std::uint32_t members_end(std::uint32_t row) const {
    return row + 1 < end() ? rows_[row + 1].members_begin
                           : static_cast<std::uint32_t>(member_rows_.size());
  }
  // A bit for whoever keeps this.
  [[nodiscard]] bool is_marked(std::uint32_t row) const { return rows_[row].marked; }
  void mark(std::uint32_t row) { rows_[row].marked = true; }

  // Of a member whose transaction is here.
  [[nodiscard]] std::uint32_t transaction_of(std::uint32_t member) const {
    return member_rows_[member].transaction;
  }
  [[nodiscard]] MemberView member(std::uint32_t member) const {
    return {rows_[member_rows_[member].transaction].payload, member_rows_[member].offset};
  }
  // A link to another member, for whoever keeps this; kNone at first. Outlives the member.
  [[nodiscard]] std::uint32_t link(std::uint32_t member) const { return member_rows_[member].link; }
  void set_link(std::uint32_t member, std::uint32_t other) { member_rows_[member].link = other; }

 private:
  struct Row {
    Lsn lsn{};
    const std::byte* payload = nullptr;
    std::uint32_t bytes = 0;
    std::uint32_t members_begin = 0;
    RecordType type = RecordType::kDecision;
    bool has_acts = false;
    bool here = false;
    bool marked = false;
  };
  struct MemberRow {
    std::uint32_t transaction = kNone;
    std::uint32_t offset = 0;  // in the payload
    std::uint32_t link = kNone;
  };

  [[nodiscard]] const std::byte* keep(std::span<const std::byte> payload);
  void clear();

  std::vector<Row> rows_;
  std::vector<MemberRow> member_rows_;
  HashIndex by_transaction_;
  HashIndex by_member_;
  std::vector<std::unique_ptr<std::byte[]>> chunks_;  // payloads, one behind the other
  std::byte* free_ = nullptr;                         // of the last chunk
  std::size_t free_bytes_ = 0;
  std::size_t size_ = 0;
  std::size_t live_members_ = 0;
  mutable std::uint32_t first_ = 0;  // all before are erased
};

}  // namespace cairn::recovery

#endif  // CAIRN_PACKED_TRANSACTIONS_H_
