/// From the heads' linear output to what it means: k, β, g, s, γ, e and a (paper, sections 3.2 and 3.3).
///
/// What is a vector is activated by itself. The single numbers of all heads that have the same function
/// go through it together, since a call for one takes as long as one for sixteen.
struct HeadActivations: Sendable {
  private struct Vector {
    let function: Activation
    let range: Range<Int>
  }

  private struct Numbers {
    let function: Activation
    /// In `places`.
    let range: Range<Int>
  }

  // Lists are gone through by their indices: an iterator would count references, which all threads
  // that step the model share.
  private let vectors: [Vector]
  private let numbers: [Numbers]
  /// Where the single numbers are, those of each function together.
  private let places: [Int]
  private let sharpenings: [Int]
  private let shifts: [Range<Int>]
  private let shift: Shift?
  private let kernels: Kernels

  /// Numbers that are gathered at a time.
  private static let room = 64

  init(_ heads: [HeadParameters], _ dialect: Dialect, kernels: Kernels) {
    let addressing = dialect.addressing
    var vectors: [Vector] = []
    var placesOf: [Activation: [Int]] = [:]
    func add(_ places: [Int], _ function: Activation?) {
      if let function { placesOf[function, default: []] += places }
    }
    func add(_ range: Range<Int>?, _ function: Activation?) {
      if let range, let function { vectors.append(Vector(function: function, range: range)) }
    }
    for head in heads {
      add(head.key, addressing.key)
      add(head.erase, dialect.write.erase)
      add(head.add, dialect.write.add)
      add(head.strength.map { [$0] } ?? [], addressing.strength)
      add(head.gate.map { [$0] } ?? [], addressing.gate)
      add(head.sharpening.map { [$0] } ?? [], addressing.sharpening?.activation)
      add(head.shift.map(Array.init) ?? [], addressing.shift?.function)
    }
    self.vectors = vectors
    var (numbers, places) = ([Numbers](), [Int]())
    for function in Activation.allCases {
      let start = places.count
      places += placesOf[function] ?? []
      if places.count > start {
        numbers.append(Numbers(function: function, range: start..<places.count))
      }
    }
    self.numbers = numbers
    self.places = places
    sharpenings = heads.compactMap(\.sharpening)
    shifts = heads.compactMap(\.shift)
    shift = addressing.shift
    self.kernels = kernels
  }

  /// Of all heads, in the same places. A continuous shift becomes its displacement in rows.
  func apply(_ raw: UnsafePointer<Float>, _ values: UnsafeMutablePointer<Float>) {
    for index in vectors.indices {
      let (function, range) = (vectors[index].function, vectors[index].range)
      let start = range.lowerBound
      kernels.apply(function, raw + start, values + start, count: range.count)
    }
    for index in places.indices { values[places[index]] = raw[places[index]] }
    if case .taps(_, let activation) = shift {
      for index in shifts.indices { Self.prepare(activation, values, shifts[index]) }
    }
    for index in numbers.indices { apply(numbers[index], values) }
    for index in sharpenings.indices { values[sharpenings[index]] += 1 }
    for index in shifts.indices { finishShift(values, shifts[index]) }
  }

  private func apply(_ numbers: Numbers, _ values: UnsafeMutablePointer<Float>) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: Self.room) { room in
      let gathered = room.baseAddress!
      for first in stride(
        from: numbers.range.lowerBound, to: numbers.range.upperBound, by: Self.room)
      {
        let count = min(Self.room, numbers.range.upperBound - first)
        for index in 0..<count {
          (gathered + index).initialize(to: values[places[first + index]])
        }
        kernels.apply(numbers.function, gathered, gathered, count: count)
        for index in 0..<count { values[places[first + index]] = gathered[index] }
      }
    }
  }

  /// Less the largest, so that no exponential is infinite.
  private static func prepare(
    _ activation: Shift.TapActivation, _ values: UnsafeMutablePointer<Float>, _ taps: Range<Int>
  ) {
    if activation == .softmaxOfRelu {
      for tap in taps where values[tap] < 0 { values[tap] = 0 }
    }
    var largest = values[taps.lowerBound]
    for tap in taps.dropFirst() { largest = max(largest, values[tap]) }
    for tap in taps { values[tap] -= largest }
  }

  private func finishShift(_ values: UnsafeMutablePointer<Float>, _ range: Range<Int>) {
    switch shift {
    case .continuous(let scale):
      values[range.lowerBound] = scale * (2 * values[range.lowerBound] - 1)
    case .taps:
      var total: Float = 0
      for tap in range { total += values[tap] }
      for tap in range { values[tap] /= total }
    case nil: break
    }
  }
}

extension Shift {
  /// What its numbers go through, one by one.
  fileprivate var function: Activation {
    switch self {
    case .continuous: .sigmoid
    case .taps: .exp
    }
  }
}
