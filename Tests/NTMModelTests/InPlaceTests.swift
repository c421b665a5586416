import NTMTestSupport
import Testing

@testable import NTMModel

/// A step that is certain to be taken writes the memory where it is; any other one beside it. Which of
/// the two it was shows in no bit.
struct InPlaceTests {
  /// Two models that differ in the output's activation alone, which the state does not depend on. What
  /// an exponential gives may always be infinite, so that no step of the second one is certain.
  struct Pair {
    let certain: Model
    let careful: Model
    let inputs: [[Float]]

    init(seed: UInt64) throws {
      var random = SplitMix64(seed: seed)
      var configuration = Configuration.random(&random)
      var same = random
      configuration.dialect.output.activation = .identity
      certain = try Model(configuration, random: &random)
      configuration.dialect.output.activation = .exp
      careful = try Model(configuration, random: &same)
      inputs = (0..<StepTests.stepCount).map { _ in
        random.values(configuration.inputSize, within: 1)
      }
    }
  }

  /// - Returns: whether the memory was written in place. A step that was refused has changed nothing.
  private func step(
    _ model: Model, _ input: [Float], _ state: inout State, _ workspace: inout Workspace
  ) throws -> Result<Bool, StepError> {
    let before = try state.copy()
    do throws(StepError) {
      try model.step(input.span, state: &state, workspace: &workspace)
    } catch {
      expectIdentical(state, before, "\(error)")
      return .failure(error)
    }
    let isFinite = state.values.allSatisfy { $0.isFinite }
    #expect(isFinite)
    return .success(workspace.isInPlace)
  }

  /// Steps of both models from a memory that is so many times as large as theirs.
  ///
  /// - Returns: steps of the first model that were taken in place, and others
  private func compare(_ pair: Pair, scale: Float) throws -> (inPlace: Int, beside: Int) {
    var state = try pair.certain.makeState()
    var other = try pair.careful.makeState()
    var workspace = try pair.certain.makeWorkspace()
    var otherWorkspace = try pair.careful.makeWorkspace()
    var values = state.values
    for index in 0..<state.layout.memory.valueCount {
      let value = values[index] * scale
      values[index] = value.isFinite ? value : .greatestFiniteMagnitude
    }
    try state.setValues(values.span)
    try other.setValues(values.span)
    var (inPlace, beside) = (0, 0)
    for input in pair.inputs {
      let certain = try step(pair.certain, input, &state, &workspace)
      let careful = try step(pair.careful, input, &other, &otherWorkspace)
      switch (certain, careful) {
      case (.success(let isInPlace), .success(let isOtherInPlace)):
        #expect(!isOtherInPlace)
        if isInPlace { inPlace += 1 } else { beside += 1 }
        expectIdentical(state, other)
        expectIdentical(workspace.logits, otherWorkspace.logits)
      // Only the exponential's output was too large: they go different ways from here on.
      case (.success, .failure(.nonFiniteResult(.output))): return (inPlace, beside)
      default: #expect(certain.error == careful.error)
      }
    }
    return (inPlace, beside)
  }

  @Test(arguments: StepTests.seeds)
  func bitsAreThoseOfAStepBeside(seed: UInt64) throws {
    let pair = try Pair(seed: seed)
    let configuration = pair.certain.configuration
    let steps = try compare(pair, scale: 1)
    // Heads that see what others have just written are not addressed before something is written.
    let writer = configuration.heads.firstIndex(where: \.writes)
    let isOneGroup =
      configuration.dialect.memoryOrder != .sequential || writer == nil
      || writer == configuration.heads.count - 1
    #expect(isOneGroup ? steps.beside == 0 : steps.inPlace == 0, "\(configuration)")
  }

  /// Up to numbers that don't fit: no step that was thought to be certain is refused, which would end
  /// the process.
  @Test(arguments: StepTests.seeds)
  func largeMemories(seed: UInt64) throws {
    let pair = try Pair(seed: seed)
    var scale: Float = 1e4
    while scale.isFinite {
      _ = try compare(pair, scale: scale)
      scale *= 30
    }
  }

  /// The squares of numbers that are too small for them are zero, which bounds nothing: read with
  /// large weights they are large.
  @Test(arguments: [16, 100, 3000])
  func squaresThatVanishAreNoBound(rows: Int) throws {
    var dialect = Preset.paper.dialect
    dialect.addressing.similarity = Cosine(guard: .productOffset, epsilon: 1e-8)
    dialect.addressing.shift = nil
    dialect.addressing.sharpening = nil
    dialect.output = Output(source: .hiddenAndReads, activation: .identity, clip: nil)
    let configuration = Configuration(
      inputSize: 1, outputSize: 1, memory: MemoryShape(rows: rows, columns: 1),
      controller: Controller(kind: .feedForward(activation: .identity), units: 1),
      heads: [.read, .write], dialect: dialect)
    let model = try Model(configuration) { name, _, range, destination in
      for index in range {
        destination[index - range.lowerBound] = name == "output.weight" ? 1e36 : 0
      }
    }
    var state = try model.makeState()
    var values = state.values
    for index in 0..<rows { values[index] = 2e-23 }
    for index in rows..<3 * rows { values[index] = 1e25 }
    try state.setValues(values.span)
    var workspace = try model.makeWorkspace()
    let result = try step(model, [0], &state, &workspace)
    #expect(result.error == .nonFiniteResult(.output))
  }

  /// A bound must not be below what it bounds where a number of the memory is at the edge.
  @Test func steppingBesideBeginsInTime() throws {
    let pair = try Pair(seed: 3)
    var seen = Set<Bool>()
    for exponent in 0..<39 {
      var scale: Float = 1
      for _ in 0..<exponent { scale *= 10 }
      let steps = try compare(pair, scale: scale)
      if steps.inPlace > 0 { seen.insert(true) }
      if steps.beside > 0 { seen.insert(false) }
    }
    #expect(seen == [true, false], "only one way was taken")
  }
}

extension Result {
  fileprivate var error: Failure? {
    if case .failure(let error) = self { error } else { nil }
  }
}
