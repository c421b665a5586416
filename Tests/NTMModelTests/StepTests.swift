import NTMTestSupport
import Testing

@testable import NTMModel

/// Steps against `NaiveModel`, over configurations that take every choice.
struct StepTests {
  /// Float32 against double precision over eight steps. Relative to 1 or the value, whichever is
  /// larger; `DialectChoiceTests` shows that any wrong choice is off by a hundred times as much.
  static let tolerance = 4e-5

  static let stepCount = 8

  struct Case {
    let seed: UInt64
    let model: Model
    let inputs: [[Float]]

    init(seed: UInt64) throws {
      self.seed = seed
      var random = SplitMix64(seed: seed)
      let configuration = Configuration.random(&random)
      model = try Model(configuration, random: &random)
      inputs = (0..<stepCount).map { _ in random.values(configuration.inputSize, within: 1) }
    }
  }

  static let seeds: Range<UInt64> = 0..<240

  @Test(arguments: seeds)
  func agreesWithTheFormulas(seed: UInt64) throws {
    let test = try Case(seed: seed)
    let deviations = try StepDeviations(
      test.model, NaiveModel(test.model), inputs: test.inputs)
    #expect(
      deviations.worst <= Self.tolerance,
      "\(deviations) for seed \(seed): \(test.model.configuration)")
  }

  /// The property above is worth what its configurations cover.
  @Test func randomConfigurationsCoverEveryChoice() throws {
    var seen: Set<String> = []
    var refused = 0
    for seed in Self.seeds {
      let test = try Case(seed: seed)
      let configuration = test.model.configuration
      var state = try test.model.makeState()
      var workspace = try test.model.makeWorkspace()
      do {
        for input in test.inputs {
          try test.model.step(input.span, state: &state, workspace: &workspace)
        }
      } catch {
        refused += 1
        continue
      }
      seen.formUnion(Self.choices(configuration))
    }
    #expect(refused < Self.seeds.count / 10, "\(refused) configurations end in a refused step")
    let missing = Self.allChoices.subtracting(seen)
    #expect(missing.isEmpty, "never stepped: \(missing.sorted())")
  }

  // MARK: Choices

  private static let allChoices: Set<String> = {
    let activations = Activation.allCases.map(\.rawValue)
    var all: Set<String> = ["lstm 1", "lstm 2", "lstm 3", "writers 0", "writers 1", "writers 2"]
    all.formUnion(["rows 1", "rows 2", "rows 15", "rows 16", "rows 17", "taps wider than N"])
    all.formUnion(["continuous", "no shift", "clip", "no clip", "output clip", "offset"])
    all.formUnion(["heads 1", "heads 2", "heads 3", "heads 4", "heads 5", "zero rows"])
    all.formUnion(Head.allCases.map { "head \($0.rawValue)" })
    all.formUnion(MemoryOrder.allCases.map { "order \($0.rawValue)" })
    all.formUnion(Cosine.Guard.allCases.map { "guard \($0.rawValue)" })
    all.formUnion(Shift.TapActivation.allCases.map { "taps \($0.rawValue)" })
    all.formUnion(Output.Source.allCases.map { "output of \($0.rawValue)" })
    all.formUnion(["relu", "softplus", "exp", "sigmoid", "none"].map { "sharpening \($0)" })
    all.formUnion(activations.map { "key \($0)" } + activations.map { "add \($0)" })
    all.formUnion(activations.map { "output \($0)" })
    all.formUnion((activations + ["none"]).map { "strength \($0)" })
    all.formUnion((activations + ["none"]).map { "erase \($0)" })
    all.formUnion(["gate sigmoid", "gate none"])
    all.formUnion(["relu", "tanh", "sigmoid", "softplus", "identity"].map { "layer \($0)" })
    return all
  }()

  private static func choices(_ configuration: Configuration) -> Set<String> {
    let (dialect, n) = (configuration.dialect, configuration.memory.rows)
    let (addressing, heads) = (dialect.addressing, configuration.heads)
    var seen: Set<String> = [
      "rows \(n)", "heads \(heads.count)", "writers \(min(heads.count { $0.writes }, 2))",
      "order \(dialect.memoryOrder.rawValue)", "guard \(addressing.similarity.guard.rawValue)",
      "output of \(dialect.output.source.rawValue)", "key \(addressing.key.rawValue)",
      "strength \(addressing.strength?.rawValue ?? "none")",
      "gate \(addressing.gate?.rawValue ?? "none")",
      "sharpening \(addressing.sharpening?.activation.rawValue ?? "none")",
      "erase \(dialect.write.erase?.rawValue ?? "none")", "add \(dialect.write.add.rawValue)",
      "output \(dialect.output.activation.rawValue)",
      dialect.parameterClip == nil ? "no clip" : "clip",
    ]
    seen.formUnion(heads.map { "head \($0.rawValue)" })
    if dialect.output.clip != nil { seen.insert("output clip") }
    if addressing.similarity.offset == 0.05 { seen.insert("offset") }
    if addressing.similarity.guard != .none, configuration.start.memory == .stored, n > 20 {
      seen.insert("zero rows")
    }
    switch addressing.shift {
    case nil: seen.insert("no shift")
    case .continuous: seen.insert("continuous")
    case .taps(let taps, let activation):
      seen.insert("taps \(activation.rawValue)")
      if taps.contains(where: { abs($0) > n }) { seen.insert("taps wider than N") }
    }
    switch configuration.controller.kind {
    case .lstm: seen.insert("lstm \(configuration.controller.layers)")
    case .feedForward(let activation): seen.insert("layer \(activation.rawValue)")
    }
    return seen
  }
}
