// A callable that is moved, never copied: what a completion handler needs.
#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "base/check.h"

namespace entente {

template <class Signature>
class UniqueFunction;

// Owns one callable, which may itself be move-only. A callable of up to kInlineBytes that moves
// without throwing is kept in place, so handing a small lambda over allocates nothing. Not
// thread-safe. Calling an empty one is our own error and aborts.
template <class R, class... Args>
class UniqueFunction<R(Args...)> {
 public:
  static constexpr size_t kInlineBytes = 64;

  UniqueFunction() = default;
  UniqueFunction(std::nullptr_t) {}  // NOLINT(google-explicit-constructor)

  template <class F>
  requires(!std::same_as<std::remove_cvref_t<F>, UniqueFunction> &&
           std::is_invocable_r_v<R, std::decay_t<F>&, Args...>)
      UniqueFunction(F&& callable) {  // NOLINT(google-explicit-constructor)
    using Callable = std::decay_t<F>;
    if constexpr (kFitsInline<Callable>) {
      ::new (static_cast<void*>(storage_)) Callable(std::forward<F>(callable));
      operations_ = &kInlineOperations<Callable>;
    } else {
      ::new (static_cast<void*>(storage_)) Callable*(new Callable(std::forward<F>(callable)));
      operations_ = &kHeapOperations<Callable>;
    }
  }

  UniqueFunction(UniqueFunction&& other) noexcept { TakeFrom(other); }
  UniqueFunction& operator=(UniqueFunction&& other) noexcept {
    if (this != &other) {
      Reset();
      TakeFrom(other);
    }
    return *this;
  }
  UniqueFunction(const UniqueFunction&) = delete;
  UniqueFunction& operator=(const UniqueFunction&) = delete;
  ~UniqueFunction() { Reset(); }

  explicit operator bool() const { return operations_ != nullptr; }

  R operator()(Args... args) {
    ENTENTE_CHECK(operations_ != nullptr);
    return operations_->invoke(storage_, std::forward<Args>(args)...);
  }

 private:
  struct Operations {
    R (*invoke)(std::byte* storage, Args&&... args);
    void (*move)(std::byte* from, std::byte* to) noexcept;  // Leaves `from` destroyed.
    void (*destroy)(std::byte* storage) noexcept;
  };

  template <class Callable>
  static constexpr bool kFitsInline = sizeof(Callable) <= kInlineBytes &&
                                      alignof(Callable) <= alignof(std::max_align_t) &&
                                      std::is_nothrow_move_constructible_v<Callable>;

  template <class T>
  static T& As(std::byte* storage) {
    return *std::launder(reinterpret_cast<T*>(storage));
  }

  template <class Callable>
  static constexpr Operations kInlineOperations{
      [](std::byte* storage, Args&&... args) -> R {
        return As<Callable>(storage)(std::forward<Args>(args)...);
      },
      [](std::byte* from, std::byte* to) noexcept {
        ::new (static_cast<void*>(to)) Callable(std::move(As<Callable>(from)));
        std::destroy_at(&As<Callable>(from));
      },
      [](std::byte* storage) noexcept { std::destroy_at(&As<Callable>(storage)); }};

  template <class Callable>
  static constexpr Operations kHeapOperations{
      [](std::byte* storage, Args&&... args) -> R {
        return (*As<Callable*>(storage))(std::forward<Args>(args)...);
      },
      [](std::byte* from, std::byte* to) noexcept {
        ::new (static_cast<void*>(to)) Callable*(As<Callable*>(from));
      },
      [](std::byte* storage) noexcept { delete As<Callable*>(storage); }};

  void TakeFrom(UniqueFunction& other) noexcept {
    if (other.operations_ != nullptr) {
      other.operations_->move(other.storage_, storage_);
      operations_ = std::exchange(other.operations_, nullptr);
    }
  }
  void Reset() noexcept {
    if (operations_ != nullptr) {
      std::exchange(operations_, nullptr)->destroy(storage_);
    }
  }

  alignas(std::max_align_t) std::byte storage_[kInlineBytes];
  const Operations* operations_ = nullptr;
};

}  // namespace entente
