import NTMModel

/// Work on several threads.
enum Parallel {
  /// Calls `body` with each number below `count`, each on a thread of its own, and returns when all
  /// calls have returned. If the system has no thread for a number, the calling thread does its work.
  ///
  /// libdispatch is not used, because it tries to start a thread for ever.
  static func perform(_ count: Int, _ body: (Int) -> Void) {
    withoutActuallyEscaping(body) { body in
      // Every thread has ended when this returns.
      nonisolated(unsafe) let body = body
      var threads: [NativeThread] = []
      for index in 1..<max(1, count) {
        guard let thread = try? NativeThread({ body(index) }) else { break }
        threads.append(thread)
      }
      if count > 0 { body(0) }
      for index in threads.count + 1..<max(threads.count + 1, count) { body(index) }
      for thread in threads { thread.join() }
    }
  }
}
