import NTMTestSupport
import Testing

@testable import NTMModel

/// Every choice of a dialect shows in the numbers: an oracle that differs from the model in one
/// choice is off by far more than the tolerance of `StepTests`.
struct DialectChoiceTests {
  /// A model's choices, and the same with one of them changed.
  struct Change: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let base: Configuration
    let changed: Configuration
  }

  @Test(arguments: changes)
  func everyChoiceMatters(_ change: Change) throws {
    var random = SplitMix64(seed: 11)
    let model = try Model(change.base, random: &random)
    let inputs = (0..<StepTests.stepCount).map { _ in
      random.values(change.base.inputSize, within: 1)
    }
    var oracle = NaiveModel(model)
    let same = try StepDeviations(model, oracle, inputs: inputs)
    #expect(same.worst <= StepTests.tolerance && same.refusedStep == nil, "\(same)")
    oracle.configuration = change.changed
    let other = try StepDeviations(model, oracle, inputs: inputs)
    #expect(other.worst > 100 * StepTests.tolerance, "the change hardly shows: \(other)")
  }

  @Test func changesAreMany() {
    #expect(Self.changes.count > 80)
    #expect(Set(Self.changes.map(\.testDescription)).count == Self.changes.count)
  }

  // MARK: Changes

  static let bases: [(name: String, configuration: Configuration)] = [
    ("taps", withTaps), ("continuous", withContinuousShift),
  ]

  /// Every guard, epsilon and clip is large enough to be felt.
  private static let withTaps = Configuration(
    inputSize: 4, outputSize: 5, memory: MemoryShape(rows: 5, columns: 3),
    controller: Controller(kind: .lstm, layers: 2, units: 17),
    heads: [.write, .read, .readWrite, .write, .read],
    dialect: Dialect(
      memoryOrder: .sequential,
      addressing: Addressing(
        key: .tanh, similarity: Cosine(offset: 0.05, guard: .productFloor, epsilon: 0.3),
        strength: .softplus, gate: .sigmoid, shift: .taps([2, 0, -1], activation: .softmax),
        sharpening: Sharpening(activation: .softplus, epsilon: 0.05)),
      write: Write(erase: .sigmoid, add: .identity), parameterClip: 0.6,
      output: Output(source: .hiddenAndReads, activation: .sigmoid, clip: 0.5)))

  private static let withContinuousShift: Configuration = {
    var configuration = withTaps
    configuration.controller = Controller(kind: .feedForward(activation: .tanh), units: 17)
    configuration.dialect.memoryOrder = .combined
    configuration.dialect.addressing.key = .identity
    configuration.dialect.addressing.similarity = Cosine(guard: .normFloor, epsilon: 0.8)
    configuration.dialect.addressing.strength = .exp
    configuration.dialect.addressing.shift = .continuous(scale: -1)
    configuration.dialect.addressing.sharpening = Sharpening(activation: .relu)
    configuration.dialect.write.add = .sigmoid
    return configuration
  }()

  static let changes: [Change] = bases.flatMap { name, base in
    alternatives(to: base).compactMap { label, change in
      var changed = base
      change(&changed)
      guard changed != base else { return nil }
      return Change(testDescription: "\(name): \(label)", base: base, changed: changed)
    }
  }

  typealias Alternative = (String, (inout Configuration) -> Void)

  private static func alternatives(to base: Configuration) -> [Alternative] {
    var all: [Alternative] = []
    for order in MemoryOrder.allCases {
      all.append(("memory order \(order)", { $0.dialect.memoryOrder = order }))
    }
    for activation in Activation.allCases {
      all += [
        ("key \(activation)", { $0.dialect.addressing.key = activation }),
        ("strength \(activation)", { $0.dialect.addressing.strength = activation }),
        ("gate \(activation)", { $0.dialect.addressing.gate = activation }),
        (
          "sharpening \(activation)",
          { $0.dialect.addressing.sharpening?.activation = activation }
        ),
        ("erase \(activation)", { $0.dialect.write.erase = activation }),
        ("add \(activation)", { $0.dialect.write.add = activation }),
        ("output \(activation)", { $0.dialect.output.activation = activation }),
      ]
      if base.controller.kind != .lstm {
        all.append(
          (
            "controller \(activation)",
            { $0.controller.kind = .feedForward(activation: activation) }
          ))
      }
    }
    for cosineGuard in Cosine.Guard.allCases {
      all.append(
        ("guard \(cosineGuard)", { $0.dialect.addressing.similarity.guard = cosineGuard }))
    }
    all += [
      ("guard's epsilon", { $0.dialect.addressing.similarity.epsilon /= 2 }),
      ("cosine offset", { $0.dialect.addressing.similarity.offset += 0.05 }),
      ("no strength", { $0.dialect.addressing.strength = nil }),
      ("no gate", { $0.dialect.addressing.gate = nil }),
      ("no shift", { $0.dialect.addressing.shift = nil }),
      ("no sharpening", { $0.dialect.addressing.sharpening = nil }),
      ("sharpening's epsilon", { $0.dialect.addressing.sharpening?.epsilon += 0.05 }),
      ("no erase", { $0.dialect.write.erase = nil }),
      ("no parameter clip", { $0.dialect.parameterClip = nil }),
      ("other parameter clip", { $0.dialect.parameterClip = 0.4 }),
      ("no output clip", { $0.dialect.output.clip = nil }),
      ("output of h alone", { $0.dialect.output.source = .hidden }),
      ("start memory", { $0.start.memory = .constant(0.1) }),
      ("start weightings", { $0.start.weightings = .constant(0) }),
      ("start reads", { $0.start.reads = .constant(0) }),
      ("start h", { $0.start.hidden = .constant(0) }),
      ("start c", { $0.start.cell = .constant(0) }),
    ]
    if base.controller.kind != .lstm {
      // A feed-forward controller has no h and c to start from.
      all.removeAll { ["start h", "start c"].contains($0.0) }
    }
    switch base.dialect.addressing.shift {
    case .taps(let taps, let activation):
      let orders: [(String, [Int])] = [
        ("reversed", taps.reversed()), ("mirrored", taps.map { -$0 }),
        ("one further", taps.map { $0 + 1 }),
      ]
      for (label, taps) in orders {
        all.append(
          ("taps \(label)", { $0.dialect.addressing.shift = .taps(taps, activation: activation) }))
      }
      all.append(
        (
          "softmax of relu",
          { $0.dialect.addressing.shift = .taps(taps, activation: .softmaxOfRelu) }
        ))
    case .continuous(let scale):
      all += [
        ("other way", { $0.dialect.addressing.shift = .continuous(scale: -scale) }),
        ("further", { $0.dialect.addressing.shift = .continuous(scale: 2 * scale) }),
      ]
    case nil: break
    }
    return all
  }
}
