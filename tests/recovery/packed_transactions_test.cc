// PackedTransactions against a map, through every kind of crowding.
#include <map>
#include <random>

#include <gtest/gtest.h>

#include <cairn/packed_transactions.h>

#include "recovery/records.h"

namespace cairn::recovery {
namespace {

Uuid id_of(std::uint32_t number, std::uint8_t kind) {
  Uuid id{};
  id.bytes[0] = kind;
  for (std::size_t i = 0; i < 4; ++i) {
    id.bytes[12 + i] = static_cast<std::uint8_t>(number >> (8 * i));
  }
  return id;
}

// One with a superior and `number % 3 + 1` enlistments.
TransactionRecord record_of(std::uint32_t number) {
  TransactionRecord record;
  record.type = RecordType::kPrepare;
  record.transaction = id_of(number, 1);
  record.clock = number + 1;
  record.description = std::string(number % 5, 'd');
  record.superior = EnlistmentRecord{id_of(number, 2), id_of(0, 3), {}};
  for (std::uint32_t i = 0; i <= number % 3; ++i) {
    record.enlistments.push_back({id_of(number, static_cast<std::uint8_t>(4 + i)), id_of(i, 3),
                                  std::vector<std::byte>(number % 7, std::byte{1})});
  }
  return record;
}

void add(PackedTransactions& packed, Lsn lsn, const TransactionRecord& record) {
  const std::vector<std::byte> bytes = encode(record);
  const auto view = view_transaction(lsn, record.type, bytes);
  ASSERT_TRUE(view.is_ok()) << view.status().to_string();
  ASSERT_TRUE(packed.add(lsn, *view).is_ok());
}

// What holds of each that is here, and of each that is not.
void expect_same(const PackedTransactions& packed, const std::map<std::uint32_t, Lsn>& model,
                 std::uint32_t numbers) {
  ASSERT_EQ(packed.size(), model.size());
  std::size_t members = 0;
  for (std::uint32_t number = 0; number < numbers; ++number) {
    const std::uint32_t row = packed.find(id_of(number, 1));
    const std::uint32_t member = packed.find_member(id_of(number, 4));
    const auto known = model.find(number);
    if (known == model.end()) {
      ASSERT_EQ(row, PackedTransactions::kNone);
      ASSERT_EQ(member, PackedTransactions::kNone);
      continue;
    }
    const TransactionRecord expected = record_of(number);
    ASSERT_TRUE(packed.is_here(row));
    ASSERT_EQ(packed.lsn(row), known->second);
    ASSERT_EQ(packed.record(row), expected);
    ASSERT_EQ(packed.transaction_of(member), row);
    ASSERT_EQ(member, packed.members_begin(row) + 1) << "the superior is the first";
    ASSERT_EQ(packed.members_end(row) - packed.members_begin(row), expected.enlistments.size() + 1);
    ASSERT_EQ(packed.member(packed.members_begin(row)).enlistment(), expected.superior->enlistment);
    members += expected.enlistments.size() + 1;
  }
  ASSERT_EQ(packed.members(), members);
  Lsn last;
  for (std::uint32_t row = packed.first(); row < packed.end(); ++row) {
    if (!packed.is_here(row)) continue;
    ASSERT_LT(last, packed.lsn(row)) << "in the order of the log";
    last = packed.lsn(row);
  }
}

TEST(PackedTransactions, HoldWhatAMapHolds) {
  std::mt19937 random(11);
  for (const std::uint32_t numbers : {3U, 40U, 1500U}) {
    PackedTransactions packed;
    std::map<std::uint32_t, Lsn> model;
    for (std::uint32_t step = 1; step <= 8000; ++step) {
      const std::uint32_t number = static_cast<std::uint32_t>(random()) % numbers;
      const bool here = model.contains(number);
      // Fills for a while, then empties.
      const bool fills = random() % 8 < (step / 2000 % 2 == 0 ? 6U : 2U);
      if (fills && !here) {
        add(packed, Lsn(step), record_of(number));
        model[number] = Lsn(step);
      } else if (!fills && here) {
        packed.erase(packed.find(id_of(number, 1)));
        model.erase(number);
      }
      if (random() % 1000 == 0) {
        packed.pack();
        ASSERT_EQ(packed.erased(), 0U);
      }
      if (step % 1000 == 0) expect_same(packed, model, numbers);
    }
  }
}

TEST(PackedTransactions, MarksAndLinksStayWithTheirRows) {
  PackedTransactions packed;
  for (std::uint32_t number = 0; number < 4; ++number) {
    add(packed, Lsn(number + 1), record_of(number));
  }
  packed.mark(2);
  packed.set_link(packed.members_begin(3), packed.members_begin(1));
  packed.erase(1);
  EXPECT_EQ(packed.link(packed.members_begin(3)), packed.members_begin(1));
  EXPECT_EQ(packed.link(packed.members_begin(0)), PackedTransactions::kNone);
  EXPECT_TRUE(packed.is_marked(2));
  packed.pack();
  EXPECT_TRUE(packed.is_marked(packed.find(id_of(2, 1))));
  EXPECT_FALSE(packed.is_marked(packed.find(id_of(3, 1))));
}

TEST(PackedTransactions, TheLastOneLeavesNothing) {
  PackedTransactions packed;
  add(packed, Lsn(1), record_of(1));
  packed.erase(0);
  EXPECT_EQ(packed.end(), 0U);
  EXPECT_EQ(packed.members(), 0U);
  add(packed, Lsn(2), record_of(1));
  EXPECT_EQ(packed.size(), 1U);
}

}  // namespace
}  // namespace cairn::recovery
