import Foundation
import NTMModel
import NTMTestSupport
import Testing

@testable import NTMTraining

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// What an SVG file holds, or the error of one that is not well-formed.
private final class Drawing: NSObject, XMLParserDelegate {
  private(set) var elements: [(name: String, attributes: [String: String])] = []
  private(set) var texts: [String] = []
  private var isText = false

  init(_ svg: String, sourceLocation: SourceLocation = #_sourceLocation) {
    super.init()
    let parser = XMLParser(data: Data(svg.utf8))
    parser.delegate = self
    #expect(parser.parse(), "\(svg)", sourceLocation: sourceLocation)
    #expect(elements.first?.name == "svg", sourceLocation: sourceLocation)
    // Numbers are finite, wherever there are any.
    for text in elements.flatMap(\.attributes.values) {
      #expect(
        !text.contains("nan") && !text.contains("inf"), "\(text)", sourceLocation: sourceLocation)
    }
  }

  /// Elements of a name whose attribute has a value.
  func count(_ name: String, _ attribute: String, _ value: String) -> Int {
    elements.count { $0.name == name && $0.attributes[attribute] == value }
  }

  /// The points of a line of a colour.
  func points(_ stroke: String) -> [[Double]] {
    let lines = elements.filter { $0.name == "polyline" && $0.attributes["stroke"] == stroke }
    // A legend's line follows.
    return (lines.first?.attributes["points"] ?? "").split(separator: " ").map { point in
      point.split(separator: ",").compactMap { Double($0) }
    }
  }

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
    qualifiedName: String?, attributes: [String: String]
  ) {
    elements.append((name, attributes))
    isText = name == "text"
    if isText { texts.append("") }
  }

  func parser(
    _ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?
  ) { isText = false }

  func parser(_ parser: XMLParser, foundCharacters string: String) {
    if isText { texts[texts.count - 1] += string }
  }
}

extension TrainingRecord {
  fileprivate init(_ sequences: Int, _ loss: Double, beyond: Double? = nil) {
    self.init(
      sequences: sequences, seconds: 1, trainingLoss: loss, gradientNorm: 1, rate: 1,
      validationLoss: loss, wrong: 0, beyondLoss: beyond, skipped: 0, fallbacks: 0)
  }
}

/// Titles that have a meaning in XML, or none.
private let titles = [
  "a < b & c > \"d\"", "</text></svg>", "&amp;", "&\u{301} <\u{301}", "one\u{0}two\u{1B}\u{FFFF}",
  "Zeilen\r\nund λ €",
]

struct LearningCurveTests {
  private static let (training, validation, beyond) = ("#9ab", "#1f6fb4", "#d1701f")

  private static func draw(_ history: [TrainingRecord], title: String = "") -> Drawing {
    Drawing(LearningCurve(history, title: title, unit: "bits").svg)
  }

  @Test(arguments: titles)
  func titlesAreText(_ title: String) {
    let drawing = Self.draw([TrainingRecord(1, 1)], title: title)
    // Without what no XML file may have; a line's end is one character there.
    let expected = title.replacing("\r\n", with: "\n").unicodeScalars.filter {
      $0 == "\n" || ($0.value >= 32 && $0.value < 0xFFFE)
    }
    #expect(drawing.texts.first == String(String.UnicodeScalarView(expected)))
  }

  @Test func showsEveryRecord() {
    let history = [
      TrainingRecord(100, 80, beyond: 200), TrainingRecord(200, 8, beyond: 90),
      TrainingRecord(400, 0.5),
    ]
    let drawing = Self.draw(history)
    let points = drawing.points(Self.validation)
    #expect(points.count == 3)
    #expect(drawing.points(Self.training) == points)
    #expect(drawing.points(Self.beyond).count == 2)
    // Places along x are as the sequences, and y goes by the logarithm.
    let (x, y) = (points.map { $0[0] }, points.map { $0[1] })
    expectClose((x[2] - x[1]) / (x[1] - x[0]), 2, within: 0.01)
    expectClose((y[2] - y[1]) / (y[1] - y[0]), log(16) / log(10), within: 0.01)
    #expect(y[0] < y[1])
    #expect(drawing.texts.contains("beyond training lengths"))
    #expect(drawing.texts.contains("bits per sequence"))
  }

  @Test(arguments: [
    [], [TrainingRecord(4096, 3)], [TrainingRecord(1, 0)], [TrainingRecord(1, .infinity)],
    [TrainingRecord(1, 0.001), TrainingRecord(2, 0.001)],
    [TrainingRecord(1_000_000_000_000, 1e-9, beyond: 0)],
  ])
  fileprivate func littleIsEnough(_ history: [TrainingRecord]) {
    let drawing = Self.draw(history, title: "little")
    #expect(drawing.texts.first == "little")
    #expect(drawing.texts.contains("sequences"))
    // No two ticks of an axis say the same.
    #expect(drawing.texts.count { $0 == "0" } == 1)
  }

  @Test func lossesThatAreNotFiniteAreLeftOut() {
    let drawing = Self.draw([
      TrainingRecord(1, .infinity, beyond: .nan), TrainingRecord(2, 5), TrainingRecord(3, .nan),
      TrainingRecord(4, 1),
    ])
    #expect(drawing.points(Self.validation).count == 2)
    #expect(drawing.points(Self.training).count == 2)
    #expect(!drawing.texts.contains("beyond training lengths"))
  }

  /// Squared errors of a run that diverges.
  @Test(arguments: [1e18, 1e25, 1e300])
  func lossesMayBeHuge(_ loss: Double) {
    let drawing = Self.draw([TrainingRecord(1, 1), TrainingRecord(2, loss)])
    #expect(drawing.points(Self.validation).count == 2)
    #expect(drawing.texts.count < 40)
  }
}

struct SequencePlotTests {
  private static func model() throws -> Model {
    var random = SplitMix64(seed: 1)
    var configuration = TrainingSetup.tiny().configuration
    configuration.heads = [.read, .write, .readWrite]
    return try Model(configuration, random: &random)
  }

  private static func episode() -> Episode {
    var generator = RandomGenerator(seed: 1)
    return Copy.tiny.episode(length: 3, using: &generator)
  }

  @Test(arguments: titles)
  func titlesAreText(_ title: String) throws {
    let plot = try SequencePlot(Self.model(), Self.episode(), title: title)
    #expect(Drawing(plot.svg).elements.count > 10)
  }

  @Test func showsWhatTheStepsGive() throws {
    let model = try Self.model()
    let episode = Self.episode()
    let plot = try SequencePlot(model, episode, title: "copy")
    var state = try model.makeState()
    var workspace = try model.makeWorkspace()
    var wrong = 0
    for (step, input) in episode.inputs.enumerated() {
      try model.step(input.span, state: &state, workspace: &workspace)
      #expect(plot.outputs[step] == Array(workspace.output))
      #expect(plot.weightings[step] == (0..<3).map { Array(state.weighting($0)) })
      guard episode.mask[step] > 0 else { continue }
      wrong += zip(workspace.output, episode.targets[step]).count { ($0 >= 0.5) != ($1 >= 0.5) }
    }
    let drawing = Drawing(plot.svg)
    for text in ["copy", "inputs", "targets", "outputs", "wrong: \(wrong)", "time, 7 steps →"] {
      #expect(drawing.texts.contains(text), "\(text)")
    }
    let heads = drawing.texts.filter { $0.hasPrefix("head ") }
    #expect(
      heads.map { $0.prefix { $0 != "g" } } == [
        "head 0, read wei", "head 1, write wei", "head 2, read and write wei",
      ])
    // A sequence has a wrong value to show, each step's below another.
    #expect(wrong > 0)
    let red = drawing.elements.filter { $0.attributes["fill"] == "#e8553d" }
    #expect(red.reduce(0) { $0 + (Double($1.attributes["width"] ?? "") ?? 0) / 8 } == Double(wrong))
  }

  @Test func aSequenceOfOtherSizesIsRefused() throws {
    var episode = Self.episode()
    episode.inputs[0] = [1]
    expectError(TrainingError.self, "the model has 3 and 2") {
      try SequencePlot(Self.model(), episode, title: "")
    }
  }

  @Test func aStepThatTheModelRefusesIsAnError() throws {
    var episode = Self.episode()
    episode.inputs[2][0] = .infinity
    expectError(StepError.self, "input[0] is not a finite number") {
      try SequencePlot(Self.model(), episode, title: "")
    }
  }
}
