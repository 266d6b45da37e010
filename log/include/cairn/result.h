// Result<T>: a value, or the Status that says why there is none.
#ifndef CAIRN_RESULT_H_
#define CAIRN_RESULT_H_

#include <cassert>
#include <cstdlib>
#include <utility>
#include <variant>

#include <cairn/status.h>

namespace cairn {

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit
  // REQUIRES: !error.is_ok(). An OK status has no value to give; that is a bug of the callee.
  Result(Status error) : state_(std::in_place_index<1>, std::move(error)) {  // NOLINT: implicit
    if (std::get<1>(state_).is_ok()) std::abort();
  }
  Result(StatusCode code, std::string message) : Result(Status(code, std::move(message))) {}

  [[nodiscard]] bool is_ok() const { return state_.index() == 0; }
  explicit operator bool() const { return is_ok(); }

  // OK, or the error.
  [[nodiscard]] Status status() const { return is_ok() ? Status() : std::get<1>(state_); }
  [[nodiscard]] StatusCode code() const { return status().code(); }

  // REQUIRES: is_ok(). Aborts otherwise, in every build.
  [[nodiscard]] T& value() & { return check(), std::get<0>(state_); }
  [[nodiscard]] const T& value() const& { return check(), std::get<0>(state_); }
  [[nodiscard]] T&& value() && { return check(), std::get<0>(std::move(state_)); }
  [[nodiscard]] T& operator*() & { return value(); }
  [[nodiscard]] const T& operator*() const& { return value(); }
  [[nodiscard]] T&& operator*() && { return std::move(*this).value(); }
  [[nodiscard]] T* operator->() { return &value(); }
  [[nodiscard]] const T* operator->() const { return &value(); }

 private:
  void check() const {
    if (!is_ok()) std::abort();
  }
  std::variant<T, Status> state_;
};

}  // namespace cairn

#define CAIRN_CONCAT_INNER(a, b) a##b
#define CAIRN_CONCAT(a, b) CAIRN_CONCAT_INNER(a, b)
// Declares `lhs` with the result's value, or returns the error to the caller.
#define CAIRN_ASSIGN_OR_RETURN(lhs, expr) \
  CAIRN_ASSIGN_OR_RETURN_INNER(CAIRN_CONCAT(cairn_result_, __LINE__), lhs, expr)
#define CAIRN_ASSIGN_OR_RETURN_INNER(tmp, lhs, expr) \
  auto tmp = (expr);                                 \
  if (!tmp.is_ok()) return tmp.status();             \
  lhs = std::move(tmp).value()

#endif  // CAIRN_RESULT_H_
