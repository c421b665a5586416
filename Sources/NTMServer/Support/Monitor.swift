#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// State that threads wait on: a lock with a condition, and what it guards inside. `Mutex` has no
/// condition, and a semaphore beside it would have to be kept in step with the state.
///
/// `@unchecked Sendable`: `state` is touched only with `mutex` held.
final class Monitor<State: Sendable>: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var state: State

  init(_ state: State) {
    self.state = state
    mutex.initialize(to: pthread_mutex_t())
    condition.initialize(to: pthread_cond_t())
    pthread_mutex_init(mutex, nil)
    #if canImport(Darwin)
      pthread_cond_init(condition, nil)
    #else
      // With the wall clock, a wait would last two hours longer after a step back by two hours.
      var attributes = pthread_condattr_t()
      pthread_condattr_init(&attributes)
      defer { pthread_condattr_destroy(&attributes) }
      pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
      pthread_cond_init(condition, &attributes)
    #endif
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  /// Changes the state without telling those who wait.
  func withLock<Result>(_ body: (inout State) -> Result) -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return body(&state)
  }

  /// Wakes one of those who wait.
  func signal() {
    pthread_cond_signal(condition)
  }

  /// Wakes all who wait.
  func broadcast() {
    pthread_cond_broadcast(condition)
  }

  /// Waits until `body` has a result.
  func wait<Result>(_ body: (inout State) -> Result?) -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while true {
      if let result = body(&state) { return result }
      pthread_cond_wait(condition, mutex)
    }
  }

  /// Waits until `body` has a result or the monotonic clock passes `deadline`; nil then.
  func wait<Result>(until deadline: UInt64, _ body: (inout State) -> Result?) -> Result? {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while true {
      if let result = body(&state) { return result }
      let now = monotonicNanoseconds()
      guard now < deadline else { return nil }
      #if canImport(Darwin)
        var rest = Self.time(deadline - now)
        pthread_cond_timedwait_relative_np(condition, mutex, &rest)
      #else
        var end = Self.time(deadline)
        pthread_cond_timedwait(condition, mutex, &end)
      #endif
    }
  }

  private static func time(_ nanoseconds: UInt64) -> timespec {
    var time = timespec()
    // Longer than any machine runs, and a valid time on every system.
    let nanoseconds = Int(min(nanoseconds, UInt64(Int64.max)))
    time.tv_sec = nanoseconds / 1_000_000_000
    time.tv_nsec = nanoseconds % 1_000_000_000
    return time
  }
}
