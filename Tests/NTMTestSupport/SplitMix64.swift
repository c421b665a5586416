/// A small seeded generator (Steele, Lea and Flood 2014), so that every run draws the same cases.
package struct SplitMix64: RandomNumberGenerator {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  package mutating func chance(_ probability: Double) -> Bool {
    Double.random(in: 0..<1, using: &self) < probability
  }

  package mutating func pick<T>(_ choices: [T]) -> T { choices.randomElement(using: &self)! }

  /// Uniform values in −bound…bound.
  package mutating func values(_ count: Int, within bound: Float) -> [Float] {
    (0..<count).map { _ in Float.random(in: -bound...bound, using: &self) }
  }
}
