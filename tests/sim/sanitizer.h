// Under which sanitizer a test is compiled: g++ says so with a macro, clang++ with a feature.
#ifndef CAIRN_TESTS_SIM_SANITIZER_H_
#define CAIRN_TESTS_SIM_SANITIZER_H_

namespace cairn::sim {

#if defined(__has_feature)
#define CAIRN_HAS_FEATURE(feature) __has_feature(feature)
#else
#define CAIRN_HAS_FEATURE(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || CAIRN_HAS_FEATURE(address_sanitizer)
inline constexpr bool kAddressSanitizer = true;
#else
inline constexpr bool kAddressSanitizer = false;
#endif
#if defined(__SANITIZE_THREAD__) || CAIRN_HAS_FEATURE(thread_sanitizer)
inline constexpr bool kThreadSanitizer = true;
#else
inline constexpr bool kThreadSanitizer = false;
#endif
#undef CAIRN_HAS_FEATURE

inline constexpr bool kSanitizer = kAddressSanitizer || kThreadSanitizer;

}  // namespace cairn::sim

#endif  // CAIRN_TESTS_SIM_SANITIZER_H_
