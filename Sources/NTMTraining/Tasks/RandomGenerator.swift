/// SplitMix64 (Steele, Lea and Flood 2014): random numbers that a seed repeats on every machine.
public struct RandomGenerator: RandomNumberGenerator, Sendable {
  /// All that there is to save and restore.
  public var state: UInt64

  public init(seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// From 0 up to but without 1.
  public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// 0 or 1.
  public mutating func bit() -> Float { Float(next() >> 63) }

  public mutating func integer(in range: ClosedRange<Int>) -> Int {
    Int.random(in: range, using: &self)
  }

  /// `count` vectors of random bits.
  mutating func vectors(_ count: Int, bits: Int) -> [[Float]] {
    (0..<count).map { _ in (0..<bits).map { _ in bit() } }
  }
}
