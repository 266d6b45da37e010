// Linked into test programs that say that they have one thread (ONE_THREAD in CMakeLists.txt): the
// thread sanitizer leaves them out, so a second thread in them would be one that nobody looks at.
#include <pthread.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

// Found before the C library's, also by what starts threads in shared libraries.
extern "C" int pthread_create(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*) noexcept {
  constexpr std::string_view kText =
      "a test program of ONE_THREAD started a thread: the thread sanitizer would not see it; take "
      "that word out of its CMakeLists.txt\n";
  if (::write(STDERR_FILENO, kText.data(), kText.size()) < 0) std::_Exit(EXIT_FAILURE);
  std::abort();
}
