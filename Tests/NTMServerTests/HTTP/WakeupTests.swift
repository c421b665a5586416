import Testing

@testable import NTMServer

#if os(Linux)
  import Glibc

  struct WakeupTests {
    private let wakeup = try! Wakeup()

    private var isReadable: Bool {
      var descriptor = pollfd(fd: wakeup.descriptor, events: Int16(POLLIN), revents: 0)
      return poll(&descriptor, 1, 0) == 1
    }

    private func count() -> UInt64 {
      var count: UInt64 = 0
      return read(wakeup.descriptor, &count, MemoryLayout<UInt64>.size) > 0 ? count : 0
    }

    @Test func manySignalsAreOneSystemCall() {
      for _ in 0..<1000 { wakeup.signal() }
      #expect(count() == 1)
    }

    @Test func eachSignalAfterAClearMakesItReadable() {
      #expect(!isReadable)
      for _ in 0..<3 {
        wakeup.signal()
        wakeup.signal()
        #expect(isReadable)
        wakeup.clear()
        #expect(!isReadable)
      }
    }

    /// As a loop does it: writes before a signal are visible after the clear that took it.
    @Test func noSignalIsLost() throws {
      let rounds = 20_000
      let done = Lock(0)
      let thread = try SystemThread { [wakeup] in
        for _ in 0..<rounds {
          done.withLock { $0 += 1 }
          wakeup.signal()
        }
      }
      defer { thread.join() }
      var seen = 0
      while seen < rounds {
        var descriptor = pollfd(fd: wakeup.descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&descriptor, 1, 10_000) == 1 else {
          Issue.record("a signal was lost after \(seen)")
          return
        }
        wakeup.clear()
        seen = done.withLock { $0 }
      }
    }
  }
#endif
