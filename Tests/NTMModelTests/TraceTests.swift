import Foundation
import NTMModel
import NTMTestSupport
import Testing

/// Every model that another implementation was recorded stepping gives the same numbers here.
struct TraceTests {
  static let traces = ReferenceFile.all { $0.hasSuffix(".json") && !$0.hasSuffix(".grad.json") }

  @Test(arguments: traces)
  func reproduces(_ file: ReferenceFile) throws {
    let trace = try JSONDecoder().decode(
      Trace.self, from: Data(contentsOf: URL(filePath: file.path)))
    let weights = try SafeTensorsFile(path: "\(file.folder)/\(trace.model)")
    let model = try WeightImport.model(from: weights).model
    let deviations = try run(trace, model)
    print("\(file.testDescription): \(deviations)")
    for (field, distance) in deviations.largest {
      #expect(
        distance <= trace.tolerance(field),
        "\(field.rawValue) is off by \(distance), more than \(trace.tolerance(field))")
    }
    #expect(deviations.largest.count >= 5, "too little was compared: \(deviations)")
  }

  @Test(.enabled(if: !ReferenceFile.isFolderPresent, "the reference folder is there"))
  func saysThatReferencesAreAbsent() {
    print("skipped: the traces of \(ReferenceFile.folder), which is absent")
  }

  private func run(_ trace: Trace, _ model: Model) throws -> Deviations {
    var deviations = Deviations()
    var state = try model.makeState()
    var workspace = try model.makeWorkspace()
    compare(trace.initial, state, workspace, &deviations)
    var before = trace.initial
    for (index, step) in trace.steps.enumerated() {
      defer { before = step.record }
      if trace.startsEachStepFromRecord {
        guard before.memory != nil else { continue }
        try state.setValues(Self.values(before).span)
      }
      try model.step(step.x.span, state: &state, workspace: &workspace)
      compare(step.record, state, workspace, &deviations)
      deviations.add(.logits, workspace.logits, step.logits)
      deviations.add(.output, workspace.output, step.output)
      if let raw = step.headRaw {
        deviations.add(.headRaw, Self.canonical(raw, model, workspace), raw.flatMap { $0 })
      }
      try #require(index < 10_000)
    }
    return deviations
  }

  private func compare(
    _ record: Trace.Record, _ state: borrowing State, _ workspace: borrowing Workspace,
    _ deviations: inout Deviations
  ) {
    let layout = state.layout
    for head in 0..<layout.weightings.rows {
      deviations.add(.weightings, state.weighting(head), record.w[head])
    }
    for read in 0..<layout.reads.rows {
      deviations.add(.reads, state.read(read), record.reads[read])
    }
    if let memory = record.memory {
      deviations.add(.memory, state.values.prefix(layout.memory.valueCount), memory.flatMap { $0 })
    }
    if let h = record.h?.layers {
      if layout.hidden.rows == 0 {
        deviations.add(.hidden, workspace.hidden, h[0])
      } else {
        for layer in h.indices { deviations.add(.hidden, state.hidden(layer: layer), h[layer]) }
      }
    }
    if let c = record.c?.layers {
      for layer in c.indices { deviations.add(.cell, state.cell(layer: layer), c[layer]) }
    }
  }

  /// A recorded state in the order of `State.values`.
  private static func values(_ record: Trace.Record) -> [Float] {
    let parts = [
      record.memory ?? [], record.w, record.reads, record.h?.layers ?? [], record.c?.layers ?? [],
    ]
    return parts.flatMap { $0.flatMap { $0 } }
  }

  /// The heads' linear output in the order in which the record has it: fumin/ntm's heads begin with
  /// erase and add, all others are as here.
  private static func canonical(
    _ raw: [[Float]], _ model: Model, _ workspace: borrowing Workspace
  ) -> [Float] {
    var parameters = Array(workspace.rawHeadParameters)
    guard model.configuration.heads.contains(.readWrite) else { return parameters }
    let (count, columns) = (raw[0].count, model.configuration.memory.columns)
    for first in stride(from: 0, to: parameters.count, by: count) {
      let head = Array(parameters[first..<first + count])
      parameters.replaceSubrange(
        first..<first + count, with: head.suffix(2 * columns) + head.prefix(count - 2 * columns))
    }
    return parameters
  }
}
