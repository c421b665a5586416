import NTMTestSupport
import Testing

@testable import NTMModel

/// What the paper's formulas imply, whatever the numbers, and cases small enough to compute by hand.
struct AddressingTests {
  // MARK: Weightings

  /// A weighting is nonnegative and adds up to 1 where every stage keeps that: a sigmoid gate
  /// between two such weightings, a shift by a distribution, a sharpening without epsilon.
  @Test(arguments: UInt64(1000)..<1100)
  func weightingsAreDistributions(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    var configuration = Configuration.random(&random)
    configuration.start.weightings = .stored
    if configuration.dialect.addressing.gate != nil {
      configuration.dialect.addressing.gate = .sigmoid
    }
    configuration.dialect.addressing.sharpening?.epsilon = 0
    let model = try Model(configuration, random: &random)
    var state = try model.makeState()
    var workspace = try model.makeWorkspace()
    for _ in 0..<6 {
      let input = random.values(configuration.inputSize, within: 1)
      try model.step(input.span, state: &state, workspace: &workspace)
      for head in configuration.heads.indices {
        let weighting = state.weighting(head)
        #expect(weighting.allSatisfy { $0 >= 0 }, "seed \(seed), head \(head)")
        expectClose([weighting.reduce(0, +)], [1], within: 3e-6, "seed \(seed), head \(head): sum")
      }
    }
  }

  // MARK: Stages

  /// One head that addresses a memory, with parameters given after their activations.
  struct Bench {
    var addressing: Addressing
    let memory: [[Float]]
    let key: [Float]
    let before: [Float]

    init(rows: Int, addressing: Addressing = Preset.simple.dialect.addressing) {
      var random = SplitMix64(seed: UInt64(rows))
      memory = (0..<rows).map { _ in random.values(3, within: 1) }
      key = random.values(3, within: 1)
      before = (0..<rows).map { _ in Float.random(in: 0...1, using: &random) }
      self.addressing = addressing
    }

    /// w_t for the parameters that follow the key: β, g, s, γ.
    func weighting(_ parameters: Float...) -> [Float] {
      let dialect = Dialect(
        memoryOrder: .sequential, addressing: addressing, write: Write(erase: nil, add: .identity),
        output: Output(source: .hidden, activation: .identity))
      let configuration = Configuration(
        inputSize: 1, outputSize: 1, memory: MemoryShape(rows: memory.count, columns: 3),
        controller: Controller(kind: .lstm, units: 1), heads: [.read], dialect: dialect)
      let head = configuration.headParameters[0]
      precondition(head.range.count == 3 + parameters.count, "a parameter for each stage")
      return runEverywhere { kernels in
        let block = BlockedMemory(memory)
        let n = block.shape.paddedRows
        var weighting = Array(repeating: Float.nan, count: n)
        var (dots, squares, shifted) = (weighting, weighting, weighting)
        let keySquare = kernels.similarity(
          block.values, block.shape, key: key, offset: addressing.similarity.offset, dots: &dots,
          squares: &squares)
        dots.withUnsafeMutableBufferPointer { dots in
          squares.withUnsafeBufferPointer { squares in
            AddressingStep(configuration, kernels: kernels).address(
              AddressingStep.Similarity(
                dots: dots.baseAddress!, squares: squares.baseAddress!, keySquare: keySquare),
              with: head, values: key + parameters, before: before.padded, shifted: &shifted,
              into: &weighting)
          }
        }
        return Array(weighting.prefix(memory.count))
      }
    }

    /// The weighting by content alone.
    var content: [Float] {
      var bench = self
      bench.addressing.gate = nil
      bench.addressing.shift = nil
      bench.addressing.sharpening = nil
      bench.addressing.strength = nil
      return bench.weighting()
    }
  }

  static func rotated(_ weighting: [Float], by displacement: Int) -> [Float] {
    let n = weighting.count
    return weighting.indices.map { weighting[((($0 - displacement) % n) + n) % n] }
  }

  static let ringSizes = [1, 2, 3, 15, 16, 17, 33, 70]

  @Test(arguments: ringSizes, [0, 1, -1, 2, -5, 16, 71, -141])
  func shiftByOneTapRotates(rows: Int, tap: Int) {
    var bench = Bench(rows: rows)
    bench.addressing.shift = .taps([-7, tap + 3, tap, 40], activation: .softmax)
    let taps: Set<Int> = [-7, tap + 3, tap, 40]
    guard taps.count == 4 else { return }
    expectIdentical(bench.weighting(0, 0, 1, 0), Self.rotated(bench.content, by: tap))
    #expect(Set(bench.content).count == rows, "rotations of a weighting of equals look the same")
  }

  @Test(arguments: ringSizes, [0, 1, -1, 2, -5, 16, 71, -141])
  func continuousShiftByWholeRowsRotates(rows: Int, displacement: Int) {
    var bench = Bench(rows: rows)
    bench.addressing.shift = .continuous(scale: 1)
    expectIdentical(
      bench.weighting(Float(displacement)), Self.rotated(bench.content, by: displacement))
  }

  @Test(arguments: ringSizes, [0.25, -0.25, 3.5, -17.75] as [Float])
  func continuousShiftIsLinearBetweenRows(rows: Int, displacement: Float) {
    var bench = Bench(rows: rows)
    bench.addressing.shift = .continuous(scale: 1)
    let whole = Int(displacement.rounded(.down))
    let part = Double(displacement) - Double(whole)
    let expected = zip(
      Self.rotated(bench.content, by: whole), Self.rotated(bench.content, by: whole + 1)
    ).map { Double($0) * (1 - part) + Double($1) * part }
    expectClose(bench.weighting(displacement), expected, within: 2e-7)
  }

  @Test(arguments: ringSizes, [1.5, 3, 20] as [Float])
  func sharpeningKeepsOrderAndFavoursTheLargest(rows: Int, sharpening: Float) {
    var bench = Bench(rows: rows)
    bench.addressing.sharpening = Sharpening(activation: .softplus)
    let (blunt, sharp) = (bench.content, bench.weighting(sharpening))
    let order = blunt.indices.sorted { blunt[$0] < blunt[$1] }
    for (low, high) in zip(order, order.dropFirst()) { #expect(sharp[low] <= sharp[high]) }
    if rows > 1 { #expect(sharp.max()! > blunt.max()! && sharp.min()! < blunt.min()!) }
  }

  @Test(arguments: ringSizes)
  func sharpeningByOneOnlyNormalises(rows: Int) {
    var bench = Bench(rows: rows)
    bench.addressing.sharpening = Sharpening(activation: .softplus)
    expectClose(bench.weighting(1), bench.content.map(Double.init), within: 3e-7)
  }

  @Test(arguments: ringSizes)
  func gateChoosesBetweenContentAndBefore(rows: Int) {
    var bench = Bench(rows: rows)
    bench.addressing.gate = .sigmoid
    expectIdentical(bench.weighting(1), bench.content)
    expectIdentical(bench.weighting(0), bench.before)
    expectClose(
      bench.weighting(0.25),
      zip(bench.content, bench.before).map { 0.25 * Double($0) + 0.75 * Double($1) }, within: 2e-7)
  }

  @Test(arguments: ringSizes)
  func strengthGoesFromAllRowsToTheNearest(rows: Int) {
    var bench = Bench(rows: rows)
    bench.addressing.strength = .softplus
    expectClose(
      bench.weighting(0), Array(repeating: 1 / Double(rows), count: rows), within: 1e-7)
    expectIdentical(bench.weighting(1), bench.content)
    let nearest = bench.content.firstIndex(of: bench.content.max()!)!
    expectIdentical(bench.weighting(1e6), (0..<rows).map { $0 == nearest ? 1 : 0 })
  }

  // MARK: Read and write

  /// What is written at one place with erase 1 is what is read there.
  @Test(arguments: ringSizes)
  func readsWhatWasWritten(rows: Int) throws {
    let columns = 5
    var random = SplitMix64(seed: 5)
    let added = random.values(columns, within: 3)
    let place = rows * 2 / 3
    let start = random.values(rows * columns, within: 1)
    var dialect = Preset.pytorchNTM.dialect
    dialect.addressing.shift = nil
    dialect.addressing.sharpening = nil
    let model = try Model.ofBiases(
      dialect: dialect, heads: [.write, .read], rows: rows, columns: columns,
      parameters: [
        // k, β, g, e, a: the gate lets the start weighting pass; sigmoid(200) = 1, and 0 of −200.
        Array(repeating: 1, count: columns) + [1, -200]
          + Array(repeating: 200, count: columns) + added,
        Array(repeating: 1, count: columns) + [1, -200],
      ],
      start: [
        "memory": start, "weightings": (0..<2 * rows).map { $0 % rows == place ? 1 : 0 },
      ])
    var state = try model.makeState()
    var workspace = try model.makeWorkspace()
    try model.step(([0] as [Float]).span, state: &state, workspace: &workspace)
    expectIdentical(state.read(0), added)
    var expected = start
    expected.replaceSubrange(place * columns..<(place + 1) * columns, with: added)
    expectIdentical(state.values.prefix(rows * columns), expected)
  }

  // MARK: By hand

  /// w = softmax(K(k, M(i))), r = Σ w(i)M(i), M(i) ← M(i) + w(i)a with three rows of two columns.
  @Test func simpleFormByHand() throws {
    // M = (1, 0), (0, 1), (3, 4).
    // Read with k = (2, 0): K = 1, 0, 6/10.
    //   e^1, e^0, e^0.6 = 2.7182818, 1, 1.8221188; their sum is 5.5404006.
    //   w = 0.4906291, 0.1804924, 0.3288785
    //   r = (0.4906291 + 3 · 0.3288785, 0.1804924 + 4 · 0.3288785) = (1.4772646, 1.4960064)
    // Write with k = (0, −1): K = 0, −1, −4/5.
    //   1, e^−1, e^−0.8 = 1, 0.3678794, 0.4493290; their sum is 1.8172084.
    //   w = 0.5502947, 0.2024421, 0.2472633
    //   a = (10, −1): M = (1 + 5.502947, −0.5502947), (2.024421, 1 − 0.2024421),
    //                     (3 + 2.472633, 4 − 0.2472633)
    let model = try Model.ofBiases(
      dialect: Preset.simple.dialect, heads: [.read, .write], rows: 3, columns: 2,
      parameters: [[2, 0], [0, -1, 10, -1]], start: ["memory": [1, 0, 0, 1, 3, 4]])
    var state = try model.makeState()
    var workspace = try model.makeWorkspace()
    try model.step(([0] as [Float]).span, state: &state, workspace: &workspace)
    expectClose(state.weighting(0), [0.4906291, 0.1804924, 0.3288785], within: 1e-6)
    expectClose(state.read(0), [1.4772646, 1.4960064], within: 1e-6)
    expectClose(state.weighting(1), [0.5502947, 0.2024421, 0.2472633], within: 1e-6)
    expectClose(
      state.values.prefix(6), [6.502947, -0.5502947, 2.024421, 0.7975579, 5.472633, 3.7527367],
      within: 1e-6)

    // A second step reads what the first wrote. With k = (2, 0) again:
    //   |M(i)| = 6.5261895, 2.1758546, 6.6357866; K = 0.9964385, 0.9304027, 0.8247151
    //   e^K = 2.7086182, 2.5355299, 2.2812308; their sum is 7.5253789.
    //   w = 0.3599311, 0.3369305, 0.3031384
    try model.step(([0] as [Float]).span, state: &state, workspace: &workspace)
    expectClose(state.weighting(0), [0.3599311, 0.3369305, 0.3031384], within: 1e-5)
  }
}

extension Model {
  /// A model whose heads have constant parameters: every weight is zero, so that the biases alone
  /// decide. One input, one output, zeros for whatever of the start state is not given.
  static func ofBiases(
    dialect: Dialect, controller: Controller = Controller(kind: .lstm, units: 1), heads: [Head],
    rows: Int, columns: Int, parameters: [[Float]], start: [String: [Float]] = [:],
    weights: [String: [Float]] = [:]
  ) throws -> Model {
    let configuration = Configuration(
      inputSize: 1, outputSize: 1, memory: MemoryShape(rows: rows, columns: columns),
      controller: controller, heads: heads, dialect: dialect)
    return try Model(configuration) { name, shape, range, destination in
      let values =
        name == "heads.bias"
        ? parameters.flatMap { $0 } : weights[name] ?? start[String(name.dropFirst("start.".count))]
      precondition(values == nil || values!.count == shape.reduce(1, *), "\(name): \(shape)")
      for index in range { destination[index - range.lowerBound] = values?[index] ?? 0 }
    }
  }
}
