import Testing

@testable import NTMModel

/// The choices of every preset, spelled out: a preset is a promise about someone else's code.
struct PresetTests {
  typealias Expected = (preset: Preset, choices: String)

  @Test(
    "Choices",
    arguments: [
      (
        .paper,
        """
        combined; key identity; cosine +0.0 productOffset 1e-08; strength softplus; gate sigmoid; \
        taps [-1, 0, 1] softmax; sharpening softplus 0.0; erase sigmoid; add identity; clip none; \
        output hiddenAndReads sigmoid none
        """
      ),
      (
        .simple,
        """
        combined; key identity; cosine +0.0 productOffset 1e-08; strength none; gate none; \
        shift none; sharpening none; erase none; add identity; clip none; \
        output hiddenAndReads sigmoid none
        """
      ),
      (
        .pytorchNTM,
        """
        sequential; key identity; cosine +1e-16 normFloor 1e-08; strength softplus; gate sigmoid; \
        taps [1, 0, -1] softmax; sharpening softplus 1e-16; erase sigmoid; add identity; \
        clip none; output hiddenAndReads sigmoid none
        """
      ),
      (
        .pytorchNTM2017,
        """
        sequential; key relu; cosine +1e-16 normFloor 1e-08; strength relu; gate sigmoid; \
        taps [1, 0, -1] softmaxOfRelu; sharpening relu 1e-16; erase relu; add relu; \
        clip none; output hiddenAndReads sigmoid none
        """
      ),
      (
        .tensorflowNTM,
        """
        parallel; key tanh; cosine +0.0 productOffset 1e-08; strength softplus; gate sigmoid; \
        taps [0, 1, -1] softmax; sharpening softplus 0.0; erase sigmoid; add tanh; \
        clip 20.0; output hiddenAndReads sigmoid 20.0
        """
      ),
      (
        .tensorflowContrib,
        """
        parallel; key tanh; cosine +0.0 productOffset 1e-08; strength softplus; gate sigmoid; \
        taps [0, 1, -1] softmax; sharpening softplus 0.0; erase sigmoid; add tanh; \
        clip 20.0; output hiddenAndReads sigmoid 20.0
        """
      ),
      (
        .fumin,
        """
        combined; key identity; cosine +0.0 none 0.0; strength exp; gate sigmoid; \
        continuous -1.0; sharpening softplus 0.0; erase sigmoid; add sigmoid; clip none; \
        output hidden sigmoid none
        """
      ),
    ] as [Expected])
  func choices(_ expected: Expected) {
    #expect(Self.describe(expected.preset.dialect) == expected.choices)
  }

  @Test func everyPresetIsExpectedAbove() {
    #expect(
      Preset.allCases.map(\.rawValue) == [
        "paper", "simple", "pytorch-ntm", "pytorch-ntm-2017", "tensorflow-ntm",
        "tensorflow-contrib", "fumin",
      ])
  }

  private static func describe(_ dialect: Dialect) -> String {
    let addressing = dialect.addressing
    func name(_ activation: Activation?) -> String { activation?.rawValue ?? "none" }
    func number(_ value: Float?) -> String { value.map { "\($0)" } ?? "none" }
    let shift =
      switch addressing.shift {
      case nil: "shift none"
      case .taps(let taps, let activation): "taps \(taps) \(activation)"
      case .continuous(let scale): "continuous \(scale)"
      }
    let sharpening = addressing.sharpening.map { "\($0.activation) \($0.epsilon)" } ?? "none"
    return [
      "\(dialect.memoryOrder)", "key \(addressing.key)",
      "cosine +\(addressing.similarity.offset) \(addressing.similarity.guard) "
        + "\(addressing.similarity.epsilon)",
      "strength \(name(addressing.strength))", "gate \(name(addressing.gate))", shift,
      "sharpening \(sharpening)", "erase \(name(dialect.write.erase))", "add \(dialect.write.add)",
      "clip \(number(dialect.parameterClip))",
      "output \(dialect.output.source) \(dialect.output.activation) "
        + number(dialect.output.clip),
    ].joined(separator: "; ")
  }
}
