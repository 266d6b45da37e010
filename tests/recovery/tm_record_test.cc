// The bytes of a manager's records: what is written is read, and nothing that was read is trusted.
#include <gtest/gtest.h>

#include "recovery/records.h"

namespace cairn::recovery {
namespace {

TransactionRecord full_decision() {
  TransactionRecord record = decision(9, 77, Lsn(40));
  record.description = "Überweisung \"1\"";
  record.enlistments = {enlistment(1), enlistment(2, 5), enlistment(3, 200)};
  return record;
}

// Every kind of record, at LSN 1000.
std::vector<std::unique_ptr<LogRecord>> every_kind() {
  std::vector<std::unique_ptr<LogRecord>> all;
  all.push_back(std::make_unique<LogRecord>(1000, full_decision()));
  all.push_back(std::make_unique<LogRecord>(1000, decision(4, 1)));
  all.push_back(std::make_unique<LogRecord>(1000, prepare(4, 1)));
  all.push_back(std::make_unique<LogRecord>(1000, ordered(4, 1, Lsn(500))));
  all.push_back(std::make_unique<LogRecord>(1000, rolled_back(4, 1)));
  all.push_back(std::make_unique<LogRecord>(1000, amended(4, 1)));
  all.push_back(std::make_unique<LogRecord>(1000, forget(4, 12, 900)));
  all.push_back(std::make_unique<LogRecord>(1000, restart(12)));
  all.push_back(std::make_unique<LogRecord>(1000, renamed(12)));
  return all;
}

// What decode() and describe() say of these bytes in place of the record's.
Result<TmRecord> decode_changed(const LogRecord& original, const std::vector<std::byte>& bytes) {
  log::Record changed = original.record;
  changed.payload = bytes;
  EXPECT_FALSE(describe(changed).empty());
  return decode(changed);
}

void expect_refused(const Result<TmRecord>& result, StatusCode code, std::string_view text) {
  ASSERT_FALSE(result.is_ok());
  EXPECT_EQ(result.code(), code) << result.status().to_string();
  EXPECT_NE(result.status().message().find(text), std::string::npos) << result.status().to_string();
  EXPECT_NE(result.status().message().find("1000"), std::string::npos) << "names the LSN";
  EXPECT_EQ(result.status().detail().lsn_begin, Lsn(1000));
}

TEST(TmRecord, EveryKindIsReadAsItWasWritten) {
  EXPECT_EQ(std::get<TransactionRecord>(*decode(LogRecord(1000, full_decision()).record)),
            full_decision());
  EXPECT_EQ(std::get<TransactionRecord>(*decode(LogRecord(1000, prepare(4, 1)).record)),
            prepare(4, 1));
  EXPECT_EQ(std::get<TransactionRecord>(*decode(LogRecord(1000, ordered(4, 1)).record)),
            ordered(4, 1));
  EXPECT_EQ(std::get<TransactionRecord>(*decode(LogRecord(1000, rolled_back(4, 1)).record)),
            rolled_back(4, 1));
  EXPECT_EQ(std::get<TransactionRecord>(*decode(LogRecord(1000, amended(4, 1)).record)),
            amended(4, 1));
  EXPECT_EQ(std::get<RestartRecord>(*decode(LogRecord(1000, renamed(4)).record)), renamed(4));
  EXPECT_EQ(std::get<ForgetRecord>(*decode(LogRecord(1000, forget(4, 12, 900)).record)),
            forget(4, 12, 900));
  EXPECT_EQ(std::get<RestartRecord>(*decode(LogRecord(1000, restart(12)).record)), restart(12));
}

TEST(TmRecord, SizesAreThoseOfTheConstants) {
  EXPECT_EQ(
      encode(full_decision()).size(),
      kDecisionFixedBytes + full_decision().description.size() + 3 * kEnlistmentFixedBytes + 205);
  EXPECT_EQ(encode(prepare(1, 1)).size(),
            encode(decision(1, 1)).size() + kEnlistmentFixedBytes + 2);
  EXPECT_EQ(encode(forget(1, 1, 1)).size(), kForgetBytes);
  EXPECT_EQ(encode(restart(1)).size(), kRestartBytes);
}

TEST(TmRecord, BytesOfADecisionAreThoseOfTheFormat) {
  TransactionRecord record;
  record.transaction = numbered_id(1);
  record.clock = 0x0102;
  record.wall_clock_ns = 3;
  record.original = Lsn(4);
  record.description = "ab";
  record.enlistments = {enlistment(2, 1)};
  std::vector<std::uint8_t> expected = {1, 0, 2, 0, 1, 0, 0, 0};
  const auto append = [&](auto bytes) {
    expected.insert(expected.end(), bytes.begin(), bytes.end());
  };
  append(numbered_id(1).bytes);
  append(std::vector<std::uint8_t>{2, 1, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0});
  append(std::vector<std::uint8_t>{4, 0, 0, 0, 0, 0, 0, 0, 'a', 'b'});
  append(numbered_id(2).bytes);
  append(numbered_id(102).bytes);
  append(std::vector<std::uint8_t>{1, 0, 0, 0, 2});
  const auto written = encode(record);
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(),
                         reinterpret_cast<const std::uint8_t*>(written.data()),
                         reinterpret_cast<const std::uint8_t*>(written.data()) + written.size()));
}

TEST(TmRecord, CutAtEveryByteIsRefusedWithItsPlace) {
  for (const auto& whole : every_kind()) {
    for (std::size_t size = 0; size < whole->bytes.size(); ++size) {
      const std::vector<std::byte> cut(whole->bytes.begin(),
                                       whole->bytes.begin() + static_cast<std::ptrdiff_t>(size));
      const auto result = decode_changed(*whole, cut);
      ASSERT_EQ(result.code(), StatusCode::kCorrupt) << size;
      ASSERT_EQ(result.status().detail().lsn_begin, Lsn(1000));
    }
  }
}

TEST(TmRecord, ByteBehindTheEndIsRefused) {
  for (const auto& whole : every_kind()) {
    std::vector<std::byte> longer = whole->bytes;
    longer.push_back(std::byte{0});
    EXPECT_EQ(decode_changed(*whole, longer).code(), StatusCode::kCorrupt);
  }
}

// The log's checksum tells damage; here it is only asked that no bit makes a crash or a record that
// reads back differently than it is written.
TEST(TmRecord, EveryBitFlipIsRefusedOrReadAsWhatItSays) {
  for (const auto& whole : every_kind()) {
    for (std::size_t bit = 0; bit < whole->bytes.size() * 8; ++bit) {
      std::vector<std::byte> flipped = whole->bytes;
      flipped[bit / 8] ^= std::byte{static_cast<unsigned char>(1u << (bit % 8))};
      const auto result = decode_changed(*whole, flipped);
      if (!result) continue;
      const auto again = std::visit([](const auto& kind) { return encode(kind); }, *result);
      ASSERT_EQ(again, flipped) << "bit " << bit;
    }
  }
}

TEST(TmRecord, LengthsThatCannotBeAreRefusedBeforeMemoryIsTaken) {
  const LogRecord whole(1000, decision(4, 1));
  std::vector<std::byte> bytes = whole.bytes;
  for (std::size_t i = 4; i < 8; ++i) bytes[i] = std::byte{0xff};  // the count of enlistments
  expect_refused(decode_changed(whole, bytes), StatusCode::kCorrupt, "4294967295 enlistments");
  bytes = whole.bytes;
  const std::size_t information = kDecisionFixedBytes + 8 + 32;
  for (std::size_t i = 0; i < 4; ++i) bytes[information + i] = std::byte{0xff};
  expect_refused(decode_changed(whole, bytes), StatusCode::kCorrupt,
                 "4294967295 bytes of recovery");
}

TEST(TmRecord, ValuesThatCannotBeAreRefused) {
  const auto refused = [](auto record, std::string_view text) {
    expect_refused(decode(LogRecord(1000, record).record), StatusCode::kCorrupt, text);
  };
  TransactionRecord record = decision(4, 0);
  refused(record, "virtual clock 0");
  // The next one would be 0.
  for (const std::uint64_t clock : {kMaxRecordClock + 1, ~std::uint64_t{0}}) {
    refused(decision(4, clock), "virtual clock " + std::to_string(clock));
    refused(forget(4, clock, 900), "virtual clock " + std::to_string(clock));
    refused(restart(clock), "virtual clock " + std::to_string(clock));
  }
  EXPECT_TRUE(decode(LogRecord(1000, decision(4, kMaxRecordClock)).record).is_ok());
  record = decision(4, 1);
  record.transaction = Uuid{};
  refused(record, "null identity");
  record = decision(4, 1);
  record.enlistments.clear();
  refused(record, "0 enlistments");
  record = decision(4, 1);
  record.enlistments.push_back(record.enlistments.front());
  refused(record, "twice");
  record = decision(4, 1);
  record.enlistments.front().resource_manager = Uuid{};
  refused(record, "null identity");
  refused(decision(4, 1, Lsn(1000)), "not before it");
  refused(prepare(4, 1, Lsn(1000)), "not before it");
  record = prepare(4, 1);
  record.superior = record.enlistments.front();
  refused(record, "twice");
  record = prepare(4, 1);
  record.enlistments.clear();
  refused(record, "prepare with 0 enlistments");
  refused(forget(4, 1, 1000), "not before it");
  refused(forget(4, 1, 0), "not before it");
  refused(forget(4, 0, 900), "virtual clock 0");
  refused(restart(0), "virtual clock 0");
}

TEST(TmRecord, RecoveryInformationAboveItsLimitIsRefused) {
  TransactionRecord record = decision(4, 1);
  record.enlistments = {enlistment(1, kMaxRecoveryInformationBytes)};
  LogRecord most(1000, record);
  EXPECT_TRUE(decode(most.record).is_ok());
  std::vector<std::byte> bytes = most.bytes;
  bytes.push_back(std::byte{1});
  const std::size_t length = kDecisionFixedBytes + record.description.size() + 32;
  bytes[length] = std::byte{1};  // 65537
  expect_refused(decode_changed(most, bytes), StatusCode::kCorrupt, "65537");
}

TEST(TmRecord, ReservedBytesMustBeZero) {
  const LogRecord whole(1000, forget(4, 12, 900));
  for (std::size_t i = 2; i < 8; ++i) {
    std::vector<std::byte> bytes = whole.bytes;
    bytes[i] = std::byte{1};
    expect_refused(decode_changed(whole, bytes), StatusCode::kCorrupt, "reserved");
  }
}

TEST(TmRecord, NewerVersionIsItsOwnError) {
  for (const auto& whole : every_kind()) {
    const std::size_t place = whole->record.kind == log::RecordKind::kRestart ? 4 : 0;
    std::vector<std::byte> bytes = whole->bytes;
    bytes[place] = std::byte{4};
    expect_refused(decode_changed(*whole, bytes), StatusCode::kNewerVersion, "version 4");
    bytes[place] = std::byte{0};
    expect_refused(decode_changed(*whole, bytes), StatusCode::kCorrupt, "version 0");
  }
}

TEST(TmRecord, ActsThatCannotBeAreRefused) {
  TransactionRecord record = amended(4, 1);
  record.acts[0].enlistment = numbered_id(99);
  expect_refused(decode(LogRecord(1000, record).record), StatusCode::kCorrupt, "does not name");
  // Who rebuilds it would look for the reason of the rollback.
  record = rolled_back(4, 1);
  record.acts[0].enlistment = record.enlistments[0].enlistment;
  expect_refused(decode(LogRecord(1000, record).record), StatusCode::kCorrupt, "decided it");
  record = rolled_back(4, 1);
  record.superior.reset();
  expect_refused(decode(LogRecord(1000, record).record), StatusCode::kCorrupt, "superior");
  record = amended(4, 1);
  record.acts[0].enlistment = Uuid{};
  expect_refused(decode(LogRecord(1000, record).record), StatusCode::kCorrupt, "gives up");
  LogRecord plain(1000, decision(4, 1));
  for (const RecordType type : {RecordType::kRollback, RecordType::kAmended}) {
    plain.record.type = static_cast<std::uint16_t>(type);
    expect_refused(decode(plain.record), StatusCode::kCorrupt, "names no act");
  }
  LogRecord acted(1000, amended(4, 1));
  acted.record.type = static_cast<std::uint16_t>(RecordType::kPrepare);
  expect_refused(decode(acted.record), StatusCode::kCorrupt, "none are written");
}

TEST(TmRecord, PrepareRecordWithoutASuperiorIsRefused) {
  LogRecord record(1000, decision(4, 1));
  record.record.type = static_cast<std::uint16_t>(RecordType::kPrepare);
  expect_refused(decode(record.record), StatusCode::kCorrupt, "names no superior");
}

TEST(TmRecord, UnknownTypeIsRefused) {
  LogRecord record(1000, decision(4, 1));
  record.record.type = 6;
  expect_refused(decode(record.record), StatusCode::kCorrupt, "type 6");
  record.record.kind = log::RecordKind::kCatalog;
  expect_refused(decode(record.record), StatusCode::kCorrupt, "not a record");
}

TEST(TmRecord, RestartAreaOfAnotherProgramIsTold) {
  EXPECT_TRUE(is_restart_record(encode(restart(1))));
  EXPECT_FALSE(is_restart_record({}));
  std::vector<std::byte> bytes = encode(restart(1));
  bytes[0] = std::byte{'X'};
  EXPECT_FALSE(is_restart_record(bytes));
  expect_refused(decode_changed(LogRecord(1000, restart(1)), bytes), StatusCode::kCorrupt, "magic");
}

TEST(TmRecord, DescriptionForPeopleNamesEveryField) {
  EXPECT_EQ(describe(LogRecord(1000, full_decision()).record),
            "decision (copy) transaction " + numbered_id(9).to_string() +
                " clock 77 time 2023-11-14T22:13:20Z original 40 description "
                "\"\\xc3\\x9cberweisung \\x221\\x22\" [enlistment " +
                numbered_id(1).to_string() + " rm " + numbered_id(101).to_string() +
                " information 0 bytes] [enlistment " + numbered_id(2).to_string() + " rm " +
                numbered_id(102).to_string() + " information 5 bytes] [enlistment " +
                numbered_id(3).to_string() + " rm " + numbered_id(103).to_string() +
                " information 200 bytes]");
  EXPECT_EQ(describe(LogRecord(1000, prepare(4, 1)).record),
            "prepare transaction " + numbered_id(4).to_string() +
                " clock 1 time 2023-11-14T22:13:20Z description \"transfer\" [superior " +
                numbered_id(204).to_string() + " rm " + numbered_id(48).to_string() +
                " information 2 bytes] [enlistment " + numbered_id(4).to_string() + " rm " +
                numbered_id(104).to_string() + " information 3 bytes]");
  EXPECT_NE(describe(LogRecord(1000, amended(4, 1)).record)
                .find("[act by \"me\" time 1970-01-01T00:00:00Z why \"lost\" given up " +
                      numbered_id(4).to_string() + "]"),
            std::string::npos);
  EXPECT_NE(describe(LogRecord(1000, renamed(12)).record)
                .find("[formerly " + numbered_id(1).to_string() + " until 900]"),
            std::string::npos);
  EXPECT_EQ(describe(LogRecord(1000, forget(4, 12, 900)).record),
            "forget transaction " + numbered_id(4).to_string() + " clock 12 decision 900");
  EXPECT_EQ(describe(LogRecord(1000, restart(12)).record),
            "restart area of transaction manager " + numbered_id(1).to_string() +
                " clock 12 time 1970-01-01T00:00:00Z");
}

}  // namespace
}  // namespace cairn::recovery
