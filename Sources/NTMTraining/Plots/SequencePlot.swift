public import NTMModel

/// What a model does on one sequence, drawn as the paper's figures 6, 9, 12, 14 and 16 do: inputs,
/// targets and outputs over time, what is wrong, and each head's weighting as locations over time.
public struct SequencePlot {
  let title: String
  let episode: Episode
  /// T × outputs
  private(set) var outputs: [[Float]] = []
  /// T × heads × N
  private(set) var weightings: [[[Float]]] = []
  private let heads: [Head]
  private let rows: Int

  /// Steps the model through the sequence.
  ///
  /// - Throws: `TrainingError` where the sequence does not fit the model; `StepError` where the model
  ///   refuses a step; `AllocationError`.
  public init(_ model: Model, _ episode: Episode, title: String) throws {
    try Evaluation.check(episode, model.configuration)
    self.title = title
    self.episode = episode
    heads = model.configuration.heads
    rows = model.configuration.memory.rows
    var state = try model.makeState()
    var workspace = try model.makeWorkspace()
    for input in episode.inputs {
      try model.step(input.span, state: &state, workspace: &workspace)
      outputs.append(Array(workspace.output))
      weightings.append(heads.indices.map { Array(state.weighting($0)) })
    }
  }

  private static let left = 90.0
  private static let cell = 8.0
  private static let black = "#000000"

  /// The locations that some head touches noticeably, a few around them included.
  private var usedRows: ClosedRange<Int> {
    let used = (0..<rows).filter { row in
      weightings.contains { $0.contains { $0[row] > 0.05 } }
    }
    guard let first = used.first, let last = used.last else { return 0...rows - 1 }
    return max(0, first - 2)...min(rows - 1, last + 2)
  }

  /// The drawing as an SVG file.
  public var svg: String {
    let steps = episode.steps
    let cell = max(2, min(Self.cell, 1200 / Double(max(steps, 1))))
    let usedRows = usedRows
    let rowHeight = max(1.5, min(cell, 400 / Double(usedRows.count)))
    let inputs = episode.inputs.first?.count ?? 0
    let outputCount = episode.targets.first?.count ?? 0
    let gap = 28.0
    let height =
      60 + (Double(inputs) + 3 * Double(outputCount)) * cell + 4 * gap
      + Double(heads.count) * (Double(usedRows.count) * rowHeight + gap)
    var svg = SVG(width: Self.left + Double(steps) * cell + 30, height: height)
    svg.text(title, x: 12, y: 22, size: 15)
    var y = 52.0

    func panel(
      _ name: String, rows: Int, height: Double, note: String? = nil,
      _ colour: (_ row: Int, _ step: Int) -> String?
    ) {
      svg.text(name, x: Self.left, y: y - 6, size: 12)
      if let note {
        svg.text(note, x: Self.left - 6, y: y + 10, anchor: .end, size: 10, fill: "#666")
      }
      svg.raster(
        rows: rows, columns: steps, x: Self.left, y: y, cellWidth: cell, cellHeight: height,
        background: Self.black, colour: colour)
      y += Double(rows) * height + gap
    }

    let counts = episode.mask.map { $0 > 0 }
    panel("inputs", rows: inputs, height: cell) { Self.grey(episode.inputs[$1][$0]) }
    panel("targets", rows: outputCount, height: cell) {
      counts[$1] ? Self.grey(episode.targets[$1][$0]) : "#444444"
    }
    panel("outputs", rows: outputCount, height: cell) {
      counts[$1] ? Self.grey(outputs[$1][$0]) : "#444444"
    }
    let wrong = (0..<steps).reduce(0) { sum, step in
      counts[step] ? sum + (0..<outputCount).count { isWrong(step, $0) } : sum
    }
    panel("wrong: \(wrong)", rows: outputCount, height: cell) { output, step in
      guard counts[step] else { return "#444444" }
      return isWrong(step, output) ? "#e8553d" : nil
    }
    for (head, kind) in heads.enumerated() {
      panel(
        "head \(head), \(Self.name(kind)) weighting, locations \(usedRows.lowerBound) to "
          + "\(usedRows.upperBound)",
        rows: usedRows.count, height: rowHeight, note: "location"
      ) { Self.grey(weightings[$1][head][usedRows.lowerBound + $0]) }
    }
    svg.text(
      "time, \(steps) steps →", x: Self.left, y: y - gap + 16, size: 11, fill: "#666")
    return svg.text
  }

  private func isWrong(_ step: Int, _ output: Int) -> Bool {
    abs(outputs[step][output] - episode.targets[step][output]) >= 0.5
  }

  private static func name(_ head: Head) -> String {
    switch head {
    case .read: "read"
    case .write: "write"
    case .readWrite: "read and write"
    }
  }

  /// White for 1, black for 0, in 32 shades, and beyond 0...1 as those; nil for black.
  private static func grey(_ value: Float) -> String? {
    let shade = Int((max(0, min(1, value)) * 31).rounded()) * 255 / 31
    guard shade > 0 else { return nil }
    let digits = String(shade, radix: 16)
    let pair = digits.count == 1 ? "0" + digits : digits
    return "#\(pair)\(pair)\(pair)"
  }
}
