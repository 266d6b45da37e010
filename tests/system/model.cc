#include "system/model.h"

namespace cairn::system_test {

const char* ending_name(Ending ending) {
  switch (ending) {
    case Ending::kOpen:
      return "open";
    case Ending::kCommitted:
      return "committed";
    case Ending::kAborted:
      return "rolled back";
  }
  return "";
}

const Uuid& Model::top(const Uuid& transaction) const {
  const auto found = upper_.find(transaction);
  return found == upper_.end() ? transaction : found->second;
}

Facts& Model::of(const Uuid& transaction) { return facts_[top(transaction)]; }

void Model::violate(const std::string& what) {
  if (violation_.empty()) violation_ = what;
}

void Model::tell(const Uuid& transaction, Ending ending, const std::string& who) {
  Facts& facts = of(transaction);
  const std::string what = "transaction " + top(transaction).to_string() + ": " + who + " has " +
                           ending_name(ending) + ", ";
  if (facts.ending == Ending::kOpen) {
    facts.ending = ending;
    facts.said_by = who;
  } else if (facts.ending != ending) {
    return violate("T1: " + what + facts.said_by + " had " + ending_name(facts.ending));
  }
  if (facts.superior != Ending::kOpen && facts.superior != ending && !facts.by_hand) {
    violate("superior: " + what + "the superior had decided: " + ending_name(facts.superior));
  }
  if (ending == Ending::kCommitted && !facts.by_hand) {
    if (facts.owned && !facts.ordered) violate("order: " + what + "and no superior ordered it");
    if (!facts.owned && !facts.asked) violate("order: " + what + "and nobody asked for it");
  }
}

void Model::decide(const Uuid& transaction, Ending ending) {
  Facts& facts = of(transaction);
  facts.superior = ending;
  if (facts.ending != Ending::kOpen && facts.ending != ending && !facts.by_hand) {
    violate("superior: transaction " + top(transaction).to_string() + " is " +
            ending_name(facts.ending) + " (" + facts.said_by +
            ") before its superior decided: " + ending_name(ending));
  }
}

}  // namespace cairn::system_test
