// The parsers of examples/: the bank's rows, messages and keys, and the key-value store's records.
#include <sstream>
#include <string>
#include <string_view>

#include "bank/ledger.h"
#include "bank/message.h"
#include "bank/transfer.h"
#include "fuzz/fuzz_target.h"
#include "kv/kv_record.h"

namespace cairn::fuzz {

namespace {

std::string_view text_of(Input input) {
  return {reinterpret_cast<const char*>(input.data()), input.size()};
}

}  // namespace

void fuzz_bank_csv(Input input) {
  std::istringstream in{std::string(text_of(input))};
  const auto rows = examples::bank::read_csv(in, "rows");
  if (!rows.is_ok()) {
    return expect(rows.status().message().starts_with("rows, line "), "a refusal names the line");
  }
  for (const examples::bank::Transfer& row : *rows) {
    expect(row.from != row.to && row.from < examples::bank::kMaxAccounts &&
               row.to < examples::bank::kMaxAccounts && row.amount > 0 &&
               row.amount <= examples::bank::kMaxAmount,
           "a row that is taken is within its bounds");
  }
  std::stringstream again;
  examples::bank::write_csv(again, *rows);
  const auto read = examples::bank::read_csv(again, "rows");
  expect(read.is_ok() && *read == *rows, "what is written is read as it was");
}

void fuzz_bank_message(Input input) {
  const auto message = examples::bank::decode(text_of(input));
  if (!message.is_ok()) {
    return expect(!message.status().message().empty(), "a refusal says why");
  }
  // A message that was cut, or had bytes that are no text, is whole from then on.
  const std::string line = examples::bank::encode(*message);
  const auto again = examples::bank::decode(std::string_view(line).substr(0, line.size() - 1));
  expect(again.is_ok(), "what is written can be read");
  expect(examples::bank::encode(*again) == line, "what is read is written as it was");
}

void fuzz_bank_entry(Input input) {
  const std::string_view text = text_of(input);
  const std::size_t split = std::min(text.find('='), text.size());
  const std::string_view key = text.substr(0, split);
  const std::string_view value = text.substr(std::min(split + 1, text.size()));
  examples::bank::PartContents contents;
  const bool taken = contents.add(key, value).is_ok();
  expect(contents.balances.size() + contents.markers.size() == (taken ? 1 : 0),
         "an entry counts once, or is refused");
  if (const auto balance = examples::bank::parse_balance(value)) {
    expect(examples::bank::parse_balance(examples::bank::format_balance(*balance)) == balance,
           "a balance is read as it is written");
  }
}

void fuzz_kv_record(Input input) {
  const auto record = examples::decode(input);
  if (!record.is_ok()) {
    return expect(record.status().code() == StatusCode::kCorrupt, "a refusal says it is damage");
  }
  expect(!examples::describe(examples::KvRecordType::kPrepare, *record).empty(),
         "each record can be described");
  const auto encoded = examples::encode(*record);
  expect(encoded.size() <= input.size(), "a record is not longer than what it was read from");
  const auto again = examples::decode(encoded);
  expect(again.is_ok() && again->writes == record->writes, "what is written is read as it was");
}

}  // namespace cairn::fuzz
