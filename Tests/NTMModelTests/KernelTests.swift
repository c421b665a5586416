import Foundation
import NTMTestSupport
import Testing

@testable import NTMModel

/// The kernels' loops against naive ones in double precision, at sizes around the vector's width,
/// on every variant; and all variants give the same bits.
struct KernelTests {
  /// Float32 sums of up to 70 products of numbers below 1.
  static let tolerance = 2e-6

  static let rowCounts = [1, 2, 3, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 70]
  static let columnCounts = [1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 13, 16, 17, 20, 40]

  @Test func thereIsAlwaysAPortableVariant() {
    let names = Kernels.all.map(\.name)
    print("variants: \(names)")
    #expect(names.last == "portable")
    #expect(Set(names).count == names.count)
    #expect(Kernels.best.name == names[0])
  }

  // MARK: Controller

  @Test(arguments: Array(1...35))
  func lstm(units: Int) {
    var random = SplitMix64(seed: UInt64(units))
    let gates = random.values(4 * units, within: 3)
    let before = random.values(units, within: 1)
    let sentinel: Float = 12345
    let got = runEverywhere { kernels in
      var cell = Array(repeating: sentinel, count: units + 16)
      var hidden = cell
      kernels.lstm(gates: gates, cellBefore: before, cell: &cell, hidden: &hidden, units: units)
      return cell + hidden
    }
    func sigmoid(_ x: Float) -> Double { 1 / (1 + exp(-Double(x))) }
    let cells = (0..<units).map {
      sigmoid(gates[units + $0]) * Double(before[$0])
        + sigmoid(gates[$0]) * tanh(Double(gates[2 * units + $0]))
    }
    let hiddens = (0..<units).map { sigmoid(gates[3 * units + $0]) * tanh(cells[$0]) }
    expectClose(got.prefix(units), cells, within: Self.tolerance, "c")
    expectClose(got.dropFirst(units + 16).prefix(units), hiddens, within: Self.tolerance, "h")
    #expect(got.count { $0 == sentinel } == 32, "wrote beyond the units")
  }

  // MARK: Addressing

  @Test(arguments: rowCounts, columnCounts)
  func similarity(rows: Int, columns: Int) {
    var random = SplitMix64(seed: UInt64(rows * 100 + columns))
    let memory = random.matrix(rows, columns)
    let key = random.values(columns, within: 1)
    for offset in [0, 0.05] as [Float] {
      let got = runEverywhere { kernels in
        let block = BlockedMemory(memory)
        var dots = Array(repeating: Float.nan, count: block.shape.paddedRows)
        var squares = dots
        let keySquare = kernels.similarity(
          block.values, block.shape, key: key, offset: offset, dots: &dots, squares: &squares)
        return [keySquare] + dots.prefix(rows) + squares.prefix(rows)
      }
      func dot(_ a: [Float], _ b: [Float]) -> Double {
        zip(a, b).reduce(0) {
          $0 + (Double($1.0) + Double(offset)) * (Double($1.1) + Double(offset))
        }
      }
      let exact = [dot(key, key)] + memory.map { dot(key, $0) } + memory.map { dot($0, $0) }
      expectClose(got, exact, within: Self.tolerance, "offset \(offset)")
    }
  }

  /// Several keys in one sweep have the bits of each alone.
  @Test(arguments: rowCounts, 1...5)
  func similarityOfSeveralKeys(rows: Int, heads: Int) {
    var random = SplitMix64(seed: UInt64(rows * 100 + heads))
    let memory = random.matrix(rows, 7)
    let keys = (0..<heads).map { _ in random.values(7, within: 1) }
    let block = BlockedMemory(memory)
    let n = block.shape.paddedRows
    let together = runEverywhere { kernels in
      var dots = Array(repeating: Float.nan, count: heads * n)
      var squares = Array(repeating: Float.nan, count: n)
      var keySquares = Array(repeating: Float.nan, count: heads)
      let pointers = keys.map { $0.allocated() }
      defer { for pointer in pointers { pointer.deallocate() } }
      dots.withUnsafeMutableBufferPointer { dots in
        let keys: [UnsafePointer<Float>?] = pointers.map { UnsafePointer($0.baseAddress!) }
        let places: [UnsafeMutablePointer<Float>?] = keys.indices.map {
          dots.baseAddress! + $0 * n
        }
        kernels.similarity(
          block.values, block.shape, keys: keys, count: heads, offset: 0.1, dots: places,
          squares: &squares, keySquares: &keySquares)
      }
      return dots + squares + keySquares
    }
    var alone: (dots: [Float], squares: [Float], keySquares: [Float]) = ([], [], [])
    for key in keys {
      var dots = Array(repeating: Float.nan, count: n)
      alone.squares = dots
      alone.keySquares.append(
        Kernels.best.similarity(
          block.values, block.shape, key: key, offset: 0.1, dots: &dots, squares: &alone.squares))
      alone.dots += dots
    }
    #expect(together == alone.dots + alone.squares + alone.keySquares)
  }

  @Test(arguments: rowCounts, Cosine.Guard.allCases)
  func content(rows: Int, cosineGuard: Cosine.Guard) {
    var random = SplitMix64(seed: UInt64(rows))
    let squares = (0..<rows).map { _ in Float.random(in: 0.01...2, using: &random) }
    for (keySquare, epsilon, strength) in [(0.5, 0.6, 1), (2, 1e-8, 7), (0.02, 0.3, -3)]
      as [(Float, Float, Float)]
    {
      let dots = squares.map { square in
        Float.random(in: -1...1, using: &random) * (square * keySquare).squareRoot()
      }
      let got = runEverywhere { kernels in
        var (dots, weighting) = (dots.padded, Array(repeating: Float.nan, count: rows).padded)
        kernels.content(
          dots: &dots, squares: squares.padded, rows: rows, keySquare: keySquare,
          similarity: Cosine(guard: cosineGuard, epsilon: epsilon), strength: strength,
          into: &weighting)
        return weighting
      }
      let keyNorm = Double(keySquare).squareRoot()
      let powers = zip(dots, squares).map { dot, square in
        let norm = Double(square).squareRoot()
        let divisor =
          switch cosineGuard {
          case .none: norm * keyNorm
          case .normFloor: max(norm, Double(epsilon)) * max(keyNorm, Double(epsilon))
          case .productFloor: max(norm * keyNorm, Double(epsilon))
          case .productOffset: norm * keyNorm + Double(epsilon)
          }
        return exp(Double(strength) * Double(dot) / divisor)
      }
      let sum = powers.reduce(0, +)
      expectClose(got.prefix(rows), powers.map { $0 / sum }, within: Self.tolerance)
      #expect(got.dropFirst(rows).allSatisfy { $0 == 0 }, "padding is not zero")
    }
  }

  /// A softmax of numbers whose exponentials alone would overflow.
  @Test func contentBearsLargeStrengths() {
    let got = runEverywhere { kernels in
      var (dots, weighting) = ([1, 0.5, -1] as [Float], [] as [Float])
      (dots, weighting) = (dots.padded, weighting + Array(repeating: 0, count: 16))
      kernels.content(
        dots: &dots, squares: ([1, 1, 1] as [Float]).padded, rows: 3, keySquare: 1,
        similarity: Cosine(), strength: 1e20, into: &weighting)
      return Array(weighting.prefix(3))
    }
    #expect(got == [1, 0, 0])
  }

  @Test(arguments: Array(1...35))
  func interpolateAndAccumulate(count: Int) {
    var random = SplitMix64(seed: UInt64(count))
    let (x, y) = (random.values(count, within: 1), random.values(count, within: 1))
    let sentinel: Float = 12345
    let tail = Array(repeating: sentinel, count: 16)
    for scale in [0, 1, 0.3, -2] as [Float] {
      let interpolated = runEverywhere { kernels in
        var weighting = y + tail
        kernels.interpolate(&weighting, before: x, gate: scale, count: count)
        return weighting
      }
      expectClose(
        interpolated.prefix(count),
        zip(x, y).map { Double(scale) * Double($1) + (1 - Double(scale)) * Double($0) },
        within: Self.tolerance)
      let accumulated = runEverywhere { kernels in
        var sum = y + tail
        kernels.accumulate(&sum, x, scale: scale, count: count)
        return sum
      }
      expectClose(
        accumulated.prefix(count), zip(x, y).map { Double($1) + Double(scale) * Double($0) },
        within: Self.tolerance)
      #expect((interpolated + accumulated).count { $0 == sentinel } == 32, "wrote beyond the end")
    }
  }

  @Test(arguments: rowCounts, [1, 1.7, 12, 80] as [Float])
  func sharpen(rows: Int, sharpening: Float) {
    var random = SplitMix64(seed: UInt64(rows))
    // Beside a weight of 1, no power adds up to zero.
    let weighting: [Float] = [1] + (1..<rows).map { _ in Float.random(in: 0...1, using: &random) }
    for epsilon in [0, 0.01] as [Float] {
      let got = runEverywhere {
        ElementaryFunctionTests.sharpened($0, weighting, sharpening, epsilon: epsilon)
      }
      let powers = weighting.map { pow(Double($0), Double(sharpening)) }
      let sum = powers.reduce(0, +) + Double(epsilon)
      expectClose(got, powers.map { $0 / sum }, within: Self.tolerance)
    }
  }

  // MARK: Memory

  @Test(arguments: rowCounts, columnCounts)
  func read(rows: Int, columns: Int) {
    var random = SplitMix64(seed: UInt64(rows * 100 + columns))
    let memory = random.matrix(rows, columns)
    let weighting = random.values(rows, within: 1)
    let sentinel: Float = 12345
    let got = runEverywhere { kernels in
      let block = BlockedMemory(memory)
      var read = Array(repeating: sentinel, count: columns + 16)
      kernels.read(block.values, block.shape, weighting: weighting.padded, into: &read)
      return read
    }
    let exact = (0..<columns).map { j in
      (0..<rows).reduce(0.0) { $0 + Double(weighting[$1]) * Double(memory[$1][j]) }
    }
    expectClose(got.prefix(columns), exact, within: Self.tolerance)
    #expect(got.dropFirst(columns).allSatisfy { $0 == sentinel })
  }

  @Test(arguments: rowCounts, [1, 2, 3])
  func write(rows: Int, heads: Int) {
    for columns in Self.columnCounts {
      var random = SplitMix64(seed: UInt64(rows * 100 + columns))
      let memory = random.matrix(rows, columns)
      let weightings = (0..<heads).map { _ in random.values(rows, within: 1) }
      let erases = (0..<heads).map { _ in random.values(columns, within: 1) }
      let adds = (0..<heads).map { _ in random.values(columns, within: 1) }
      let outOfPlace = runEverywhere {
        Self.written($0, memory, weightings, erases, adds, inPlace: false).values
      }
      let inPlace = runEverywhere {
        Self.written($0, memory, weightings, erases, adds, inPlace: true).values
      }
      expectIdentical(inPlace, outOfPlace, "in place")
      var block = BlockedMemory(memory)
      block.values = outOfPlace
      let exact = (0..<rows).flatMap { i in
        (0..<columns).map { j in
          var (keep, add) = (1.0, 0.0)
          for h in 0..<heads {
            keep *= 1 - Double(weightings[h][i]) * Double(erases[h][j])
            add += Double(weightings[h][i]) * Double(adds[h][j])
          }
          return Double(memory[i][j]) * keep + add
        }
      }
      expectClose(
        block.matrix.flatMap { $0 }, exact, within: Self.tolerance, "\(columns) columns")
      #expect(block.padding.allSatisfy { $0 == 0 }, "padding is not zero")
    }
  }

  @Test(arguments: [1, 15, 17, 33], [.infinity, -.infinity, .nan] as [Float])
  func writeSeesWhatIsNotFinite(rows: Int, value: Float) {
    let columns = 3
    let zeros = Array(repeating: Array(repeating: Float(0), count: columns), count: rows)
    for heads in [1, 2] {
      let w = Array(repeating: Array(repeating: Float(0), count: rows), count: heads)
      let e = Array(repeating: Array(repeating: Float(0), count: columns), count: heads)
      for kernels in Kernels.all {
        #expect(Self.written(kernels, zeros, w, e, e, inPlace: false).isFinite)
        for place in 0..<rows * columns {
          var memory = zeros
          memory[place / columns][place % columns] = value
          #expect(
            !Self.written(kernels, memory, w, e, e, inPlace: false).isFinite,
            "\(kernels.name), \(heads) heads, place \(place)")
        }
      }
    }
  }

  @Test(arguments: Array(0...70))
  func largest(count: Int) {
    var random = SplitMix64(seed: UInt64(count))
    let values = random.values(count, within: 1000)
    for kernels in Kernels.all {
      // What follows the values does not matter.
      let largest = kernels.largest(values + [1e6, .nan], count: count)
      #expect(largest == values.map(\.magnitude).max() ?? 0, "\(kernels.name)")
      for place in 0..<count {
        var other = values
        other[place] = -2000
        #expect(kernels.largest(other, count: count) == 2000, "\(kernels.name) at \(place)")
      }
    }
  }

  @Test(arguments: Array(1...70))
  func areFinite(count: Int) {
    let values = (0..<count).map {
      $0 % 2 == 0 ? Float.greatestFiniteMagnitude : -.leastNonzeroMagnitude
    }
    for kernels in Kernels.all {
      #expect(kernels.areFinite(values, count: count))
      // What follows the values does not matter.
      #expect(kernels.areFinite(values + [.nan, .infinity], count: count))
      for place in 0..<count {
        for value in [.infinity, -.infinity, .nan] as [Float] {
          var other = values
          other[place] = value
          #expect(!kernels.areFinite(other, count: count), "\(kernels.name) at \(place)")
        }
      }
    }
  }

  private static func written(
    _ kernels: Kernels, _ memory: [[Float]], _ weightings: [[Float]], _ erases: [[Float]],
    _ adds: [[Float]], inPlace: Bool
  ) -> (values: [Float], isFinite: Bool) {
    let block = BlockedMemory(memory)
    var to = inPlace ? block.values : Array(repeating: .nan, count: block.values.count)
    // The pointers stay valid for as long as these arrays are kept.
    let padded = weightings.map { $0.padded.allocated() }
    let (erases, adds) = (erases.map { $0.allocated() }, adds.map { $0.allocated() })
    defer { for vector in padded + erases + adds { vector.deallocate() } }
    let heads = padded.indices.map {
      HeadWrite(
        by: padded[$0].baseAddress!, erasing: erases[$0].baseAddress!, adding: adds[$0].baseAddress!
      )
    }
    let isFinite = to.withUnsafeMutableBufferPointer { to in
      block.values.withUnsafeBufferPointer { from in
        kernels.write(
          from: inPlace ? UnsafePointer(to.baseAddress!) : from.baseAddress!, to: to.baseAddress!,
          block.shape, heads: heads, count: heads.count)
      }
    }
    return (to, isFinite)
  }

  /// Reading and writing in one sweep gives the bits of one after the other, from the memory before
  /// the write, also in place.
  @Test(arguments: rowCounts, [0, 1, 2, 3])
  func readingAndWritingAtOnce(rows: Int, heads: Int) {
    var random = SplitMix64(seed: UInt64(rows * 10 + heads))
    let memory = random.matrix(rows, 9)
    let weightings = (0..<heads).map { _ in random.values(rows, within: 1) }
    let erases = (0..<heads).map { _ in random.values(9, within: 1) }
    let adds = (0..<heads).map { _ in random.values(9, within: 1) }
    for kernels in Kernels.all {
      let block = BlockedMemory(memory)
      let padded = weightings.map { $0.padded.allocated() }
      let (erases, adds) = (erases.map { $0.allocated() }, adds.map { $0.allocated() })
      defer { for vector in padded + erases + adds { vector.deallocate() } }
      let writes = padded.indices.map {
        HeadWrite(
          by: padded[$0].baseAddress!, erasing: erases[$0].baseAddress!,
          adding: adds[$0].baseAddress!)
      }
      var separate: (reads: [Float], memory: [Float]) = ([], block.values)
      for weighting in padded {
        var read = Array(repeating: Float.nan, count: 9)
        kernels.read(
          block.values, block.shape, weighting: weighting.baseAddress!, into: &read)
        separate.reads += read
      }
      if heads > 0 {
        _ = kernels.write(
          from: block.values, to: &separate.memory, block.shape, heads: writes, count: heads)
      }
      var together = (reads: Array(repeating: Float.nan, count: 9 * heads), memory: block.values)
      var sums = Array(repeating: Float.nan, count: 9 * heads * Kernels.lanes)
      together.reads.withUnsafeMutableBufferPointer { read in
        let reads = padded.indices.map {
          HeadRead(by: padded[$0].baseAddress!, into: read.baseAddress! + 9 * $0)
        }
        together.memory.withUnsafeMutableBufferPointer { memory in
          let isFinite = kernels.use(
            from: memory.baseAddress!, to: memory.baseAddress!, block.shape, reads: reads,
            readCount: heads, writes: writes, writeCount: heads, sums: &sums)
          #expect(isFinite)
        }
      }
      #expect(together.reads == separate.reads, "\(kernels.name)")
      #expect(together.memory == separate.memory, "\(kernels.name)")
    }
  }

  // MARK: Whole steps

  /// Every variant takes a model through a trace's inputs with the same bits.
  @Test(arguments: TraceTests.traces)
  func stepsAreIdentical(_ file: ReferenceFile) throws {
    let trace = try JSONDecoder().decode(
      Trace.self, from: Data(contentsOf: URL(filePath: file.path)))
    let imported = try WeightImport.model(
      from: SafeTensorsFile(path: "\(file.folder)/\(trace.model)")
    ).model
    let results = try Kernels.all.map { kernels -> (state: [Float], outputs: [Float]) in
      let model = try imported.copy(kernels: kernels)
      var state = try model.makeState()
      var workspace = try model.makeWorkspace()
      var outputs: [Float] = []
      for step in trace.steps.prefix(40) {
        try model.step(step.x.span, state: &state, workspace: &workspace)
        outputs += workspace.output
      }
      return (state.values, outputs)
    }
    #expect(results[0].outputs.contains { $0 != 0 })
    for (kernels, result) in zip(Kernels.all, results).dropFirst() {
      let same =
        result.state.map(\.bitPattern) == results[0].state.map(\.bitPattern)
        && result.outputs.map(\.bitPattern) == results[0].outputs.map(\.bitPattern)
      #expect(same, "\(kernels.name) differs from \(Kernels.all[0].name)")
    }
  }
}

extension SplitMix64 {
  mutating func matrix(_ rows: Int, _ columns: Int) -> [[Float]] {
    (0..<rows).map { _ in values(columns, within: 1) }
  }
}

extension Array where Element == Float {
  func allocated() -> UnsafeMutableBufferPointer<Float> {
    let copy = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
    _ = copy.initialize(from: self)
    return copy
  }
}

extension Kernels {
  /// r of one head.
  fileprivate func read(
    _ memory: UnsafePointer<Float>, _ shape: Shape, weighting: UnsafePointer<Float>,
    into read: UnsafeMutablePointer<Float>
  ) {
    var unused: Float = 0
    var head = HeadRead(by: weighting, into: read)
    var sums = Array(repeating: Float.nan, count: shape.columns * Self.lanes)
    let isFinite = use(
      from: memory, to: &unused, shape, reads: &head, readCount: 1, writes: [], writeCount: 0,
      sums: &sums)
    #expect(isFinite)
  }

  fileprivate func write(
    from: UnsafePointer<Float>, to: UnsafeMutablePointer<Float>, _ shape: Shape,
    heads: UnsafePointer<HeadWrite>, count: Int
  ) -> Bool {
    var sums: Float = .nan
    return use(
      from: from, to: to, shape, reads: [], readCount: 0, writes: heads, writeCount: count,
      sums: &sums)
  }
}
