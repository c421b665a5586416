import NTMTestSupport
import Testing

@testable import NTMModel

/// Products of packed matrices against sums in double precision.
struct LinearMapTests {
  /// Outputs around a panel, a tile and what a cache block has; inputs around a chunk.
  static let outputCounts = [1, 15, 16, 17, 32, 33, 64, 80, 112, 128, 129, 150, 400]
  static let inputCounts = [1, 2, 15, 16, 17, 33, 129]
  static let mostVectors = 9

  /// y of each vector, one after another, all at once.
  private func multiply(
    _ kernels: Kernels, _ weights: [[Float]], _ bias: [Float], _ vectors: [[Float]],
    backwards: Bool = false
  ) -> [Float] {
    let (outputs, inputs) = (weights.count, weights[0].count)
    let room = Kernels.padded(outputs)
    var packed = Array(repeating: Float(0), count: room * inputs)
    for (row, values) in weights.enumerated() {
      for (column, value) in values.enumerated() {
        packed[Kernels.blockedIndex(row, column, columns: inputs)] = value
      }
    }
    var result = Array(repeating: Float.nan, count: room * vectors.count)
    let x = vectors.map { $0.allocated() }
    defer { for vector in x { vector.deallocate() } }
    packed.withUnsafeBufferPointer { packed in
      bias.padded.withUnsafeBufferPointer { bias in
        result.withUnsafeMutableBufferPointer { result in
          let y: [UnsafeMutablePointer<Float>?] = vectors.indices.map {
            result.baseAddress! + $0 * room
          }
          let x: [UnsafePointer<Float>?] = x.map { UnsafePointer($0.baseAddress!) }
          let map = LinearMap(
            packed: packed.baseAddress!, bias: bias.baseAddress!, inputs: inputs,
            outputs: outputs)
          kernels.multiply(map, x, into: y, count: vectors.count, backwards: backwards)
        }
      }
    }
    return vectors.indices.flatMap { result[$0 * room..<$0 * room + outputs] }
  }

  @Test(arguments: outputCounts, inputCounts)
  func productsAreExactButForTheLastDigits(outputs: Int, inputs: Int) {
    var random = SplitMix64(seed: UInt64(outputs * 1000 + inputs))
    let weights = random.matrix(outputs, inputs)
    let bias = random.values(outputs, within: 1)
    let vectors = (0..<Self.mostVectors).map { _ in random.values(inputs, within: 1) }
    func product(_ row: Int, _ x: [Float]) -> Double {
      var sum = Double(bias[row])
      for (weight, value) in zip(weights[row], x) { sum += Double(weight) * Double(value) }
      return sum
    }
    let exact = vectors.flatMap { x in weights.indices.map { product($0, x) } }
    let alone = vectors.flatMap { x in runEverywhere { multiply($0, weights, bias, [x]) } }
    expectClose(alone, exact, within: KernelTests.tolerance)
    // Neither how many there are, nor which variant it is, nor where it begins shows in any bit.
    for count in 1...Self.mostVectors {
      for backwards in [false, true] {
        let together = runEverywhere {
          multiply($0, weights, bias, Array(vectors.prefix(count)), backwards: backwards)
        }
        #expect(
          together.map(\.bitPattern) == alone.prefix(together.count).map(\.bitPattern),
          "\(count) vectors, backwards: \(backwards)")
      }
    }
  }

  /// Numbers of very different sizes, whose plain sum in float32 has lost all that is left in the end.
  @Test func whatAdditionsRoundAwayIsKept() {
    let weights: [Float] = Array(repeating: 0, count: 48)
    var row = weights
    row[0] = 16_777_216
    row[16] = 1
    row[17] = 0.5
    row[32] = -16_777_216
    let ones: [Float] = Array(repeating: 1, count: 48)
    let got = runEverywhere { multiply($0, [row], [0], [ones]) }
    #expect(got == [1.5])
  }
}
