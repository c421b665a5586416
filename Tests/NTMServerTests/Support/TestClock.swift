import Synchronization

@testable import NTMServer

/// A clock that stands still until a test moves it.
final class TestClock: Sendable {
  /// The hands of the clock.
  private final class Hands: Sendable {
    let monotonic = Atomic<UInt64>(1_000_000_000_000)
    let wall: Atomic<Int64>
    init(_ wall: Int64) { self.wall = Atomic(wall) }
  }

  private let hands: Hands
  let clock: ServerClock

  /// - Parameter wall: the first reading of the wall clock, in milliseconds since 1970
  init(wall: Int64 = 1_800_000_000_000) {
    let hands = Hands(wall)
    self.hands = hands
    clock = ServerClock(
      monotonic: { hands.monotonic.load(ordering: .relaxed) },
      wall: { hands.wall.load(ordering: .relaxed) })
  }

  /// Lets time pass, on both clocks.
  func pass(seconds: Double) {
    hands.monotonic.wrappingAdd(UInt64(seconds * 1e9), ordering: .relaxed)
    jump(seconds: seconds)
  }

  /// Steps the wall clock.
  func jump(seconds: Double) {
    hands.wall.wrappingAdd(Int64(seconds * 1000), ordering: .relaxed)
  }
}
