// EnlistmentList: the unfinished enlistments of a transaction, in the order in which they came.
#ifndef CAIRN_TM_ENLISTMENT_LIST_H_
#define CAIRN_TM_ENLISTMENT_LIST_H_

#include <cstddef>
#include <memory>

namespace cairn::tm {

struct EnlistmentObject;

// What an enlistment has of the list that it is in: it takes no memory of its own there. In the
// list it keeps itself alive.
struct EnlistmentLinks {
  std::shared_ptr<EnlistmentObject> self;  // null: in no list
  EnlistmentObject* previous = nullptr;
  EnlistmentObject* next = nullptr;
};

// All in O(1), but for clear().
class EnlistmentList {
 public:
  class Iterator {
   public:
    explicit Iterator(EnlistmentObject* at) : at_(at) {}
    [[nodiscard]] const std::shared_ptr<EnlistmentObject>& operator*() const;
    Iterator& operator++();
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    EnlistmentObject* at_;
  };

  EnlistmentList() = default;
  EnlistmentList(const EnlistmentList&) = delete;
  EnlistmentList& operator=(const EnlistmentList&) = delete;
  ~EnlistmentList() { clear(); }

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  // Null: it is empty.
  [[nodiscard]] EnlistmentObject* first() const { return first_; }
  [[nodiscard]] Iterator begin() const { return Iterator(first_); }
  [[nodiscard]] Iterator end() const { return Iterator(nullptr); }

  // REQUIRES: it is in no list.
  void push_back(std::shared_ptr<EnlistmentObject> enlistment);
  // REQUIRES: it is in this list. It may end with this call.
  void erase(EnlistmentObject& enlistment);
  void clear();

 private:
  EnlistmentObject* first_ = nullptr;
  EnlistmentObject* last_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace cairn::tm

#endif  // CAIRN_TM_ENLISTMENT_LIST_H_
