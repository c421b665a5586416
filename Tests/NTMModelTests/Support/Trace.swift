import Foundation
import NTMModel

/// A step-by-step record that another implementation made of a model; see the README of the
/// reference folder for its fields.
struct Trace: Decodable {
  let model: String
  let check: String?
  let initial: Record
  let steps: [Step]
  let float32VsFloat64: [String: Float]?
  let float32VsPerturbed: [String: Float]?

  /// A state: whatever of it is recorded.
  struct Record: Decodable {
    var memory: [[Float]]?
    var w: [[Float]]
    var reads: [[Float]]
    var h: LayersOrVector?
    var c: LayersOrVector?
  }

  struct Step: Decodable {
    let x: [Float]
    let record: Record
    let headRaw: [[Float]]?
    let logits: [Float]
    let output: [Float]

    private enum CodingKeys: String, CodingKey {
      case x, logits, output
      case headRaw = "head_raw"
    }

    init(from decoder: any Decoder) throws {
      record = try Record(from: decoder)
      let fields = try decoder.container(keyedBy: CodingKeys.self)
      x = try fields.decode([Float].self, forKey: .x)
      headRaw = try fields.decodeIfPresent([[Float]].self, forKey: .headRaw)
      logits = try fields.decode([Float].self, forKey: .logits)
      output = try fields.decode([Float].self, forKey: .output)
    }
  }

  /// h is a vector where the controller has no layers.
  struct LayersOrVector: Decodable {
    let layers: [[Float]]

    init(from decoder: any Decoder) throws {
      let value = try decoder.singleValueContainer()
      layers =
        if let layers = try? value.decode([[Float]].self) { layers } else {
          [try value.decode([Float].self)]
        }
    }
  }

  private enum CodingKeys: String, CodingKey {
    case model, check, initial, steps
    case float32VsFloat64 = "float32_vs_float64_maxabs"
    case float32VsPerturbed = "float32_vs_perturbed_weights_maxabs"
  }

  /// The chaotic traces, of which each step starts from the recorded state before it.
  var startsEachStepFromRecord: Bool { check == "single-step" }

  /// How far a field may be from the record: what independent implementations were seen to differ
  /// by (the reference folder's README), or twice what rounding alone was seen to make of this
  /// trace, whichever is larger.
  func tolerance(_ field: Field) -> Float {
    if startsEachStepFromRecord {
      return switch field {
      case .output: 1.3e-6
      case .weightings: 1.3e-5
      case .memory: 1.3e-4
      case .logits, .headRaw: 4e-5
      case .reads, .hidden, .cell: 1e-4
      }
    }
    let floor: Float =
      switch field {
      case .output, .weightings: 2e-5
      case .logits, .headRaw: 4e-5
      case .reads, .memory, .hidden, .cell: 1e-4
      }
    let rounding = max(
      float32VsFloat64?[field.rawValue] ?? 0, float32VsPerturbed?[field.rawValue] ?? 0)
    return max(floor, 2 * rounding)
  }

  enum Field: String, CaseIterable {
    case output, logits, reads, memory
    case weightings = "w"
    case hidden = "h"
    case cell = "c"
    case headRaw = "head_raw"
  }
}

/// Largest differences from a record, by field.
struct Deviations: CustomStringConvertible {
  private(set) var largest: [Trace.Field: Float] = [:]

  mutating func add(_ field: Trace.Field, _ got: some Sequence<Float>, _ expected: [Float]) {
    let got = Array(got)
    // What is missing or not a number is infinitely far.
    var worst: Float = got.count == expected.count ? 0 : .infinity
    for (a, b) in zip(got, expected) {
      let distance = abs(a - b)
      worst = max(worst, distance.isNaN ? .infinity : distance)
    }
    largest[field] = max(largest[field] ?? 0, worst)
  }

  var description: String {
    Trace.Field.allCases.compactMap { field in
      largest[field].map { "\(field.rawValue) \(String(format: "%.1e", $0))" }
    }.joined(separator: ", ")
  }
}
