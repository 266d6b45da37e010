// Model: what may be seen of transactions, whoever looks, whatever crashed.
//
// It knows nothing of phases. It is told what a participant has learnt or done, and holds that
// against all that was said before:
//   T1, T2, T3  the first ending that anyone was told of a transaction is its only one
//   order       nobody commits what nobody asked to commit; below a superior, what it did not order
//   superior    what a superior decided after PREPARE_COMPLETE is what happens, unless an
//               administrator was faster
#ifndef CAIRN_TESTS_SYSTEM_MODEL_H_
#define CAIRN_TESTS_SYSTEM_MODEL_H_

#include <cstddef>
#include <map>
#include <set>
#include <string>

#include <cairn/uuid.h>

namespace cairn::system_test {

enum class Ending { kOpen, kCommitted, kAborted };
[[nodiscard]] const char* ending_name(Ending ending);

struct Facts {
  Ending ending = Ending::kOpen;
  std::string said_by;              // who was told first
  bool asked = false;               // a client asked for the commit
  bool owned = false;               // a superior decides
  bool ordered = false;             // and ordered the commit
  Ending superior = Ending::kOpen;  // what it decided once all was prepared
  bool by_hand = false;             // an administrator may have decided in its place
  std::set<std::size_t> members;    // resource managers that have durable work in it
};

class Model {
 public:
  // A transaction below another one ends as that does.
  void add_branch(const Uuid& branch, const Uuid& upper) { upper_[branch] = upper; }
  [[nodiscard]] Facts& of(const Uuid& transaction);

  // `who` was told, or did, this.
  void tell(const Uuid& transaction, Ending ending, const std::string& who);
  // The superior decided, after it was told that all is prepared.
  void decide(const Uuid& transaction, Ending ending);
  // Something that must never be.
  void violate(const std::string& what);

  // The first violation, or empty.
  [[nodiscard]] const std::string& violation() const { return violation_; }
  [[nodiscard]] const std::map<Uuid, Facts>& all() const { return facts_; }

 private:
  [[nodiscard]] const Uuid& top(const Uuid& transaction) const;

  std::map<Uuid, Facts> facts_;
  std::map<Uuid, Uuid> upper_;
  std::string violation_;
};

}  // namespace cairn::system_test

#endif  // CAIRN_TESTS_SYSTEM_MODEL_H_
