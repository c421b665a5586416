internal import Crypto
import NTMModel

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// A user's own sequences, from a file of NDJSON.
///
/// A line is a sequence: `{"input": [[…], …], "target": [[…], …], "mask": […]}`, with one element a
/// step; a mask says how much the step's output counts, and is 1 everywhere where it is left out.
/// Every tenth sequence is held back for validation; of fewer than ten, none is, and the model is
/// validated on what it trains on.
public struct FileTask: TrainingTask {
  public static let name = "file"
  public static let sizeName = "steps"

  public let path: String
  /// SHA-256 of the file, in hexadecimal: a run goes on with the sequences that it began with.
  public let digest: String
  /// In order of their steps.
  private let training: [[Episode]]
  private let heldBack: [Episode]

  public let inputSize: Int
  public let outputSize: Int
  public let targetRange: ClosedRange<Float>

  /// How many sequences the file has.
  public let count: Int

  /// - Throws: `TrainingError` that names the line that is wrong.
  public init(path: String) throws(TrainingError) {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw TrainingError("\(path) can't be read")
    }
    try self.init(path: path, data)
  }

  private init(path: String, _ data: Data) throws(TrainingError) {
    self.path = path
    digest = SHA256.hash(data: data).hexadecimal
    var episodes: [Episode] = []
    var range: ClosedRange<Float>?
    for (index, line) in data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
      .enumerated()
    {
      guard line.contains(where: { !" \t\r".utf8.contains($0) }) else { continue }
      let place = "\(path), line \(index + 1)"
      let episode = try Line(line, place).episode(like: episodes.first, place)
      for target in episode.targets.joined() {
        range = min(range?.lowerBound ?? target, target)...max(range?.upperBound ?? target, target)
      }
      episodes.append(episode)
    }
    guard let first = episodes.first, let range else {
      throw TrainingError("\(path) has no sequences; a line of it is one")
    }
    inputSize = first.inputs[0].count
    outputSize = first.targets[0].count
    targetRange = range
    count = episodes.count
    let isHeldBack: (Int) -> Bool = { [count] in count >= 10 && $0 % 10 == 9 }
    let indices = episodes.indices
    let kept = indices.filter { !isHeldBack($0) }.map { episodes[$0] }
    heldBack = count >= 10 ? indices.filter(isHeldBack).map { episodes[$0] } : episodes
    training = Dictionary(grouping: kept, by: \.steps).sorted { $0.key < $1.key }.map(\.value)
  }

  public var longestTraining: Int { training.last?.first?.steps ?? 0 }

  /// Sequences of one length, drawn so that every sequence is as likely as any other.
  public func episodes(
    _ count: Int, difficulty: Double, using generator: inout RandomGenerator
  ) -> [Episode] {
    let shortest = Double(training[0][0].steps)
    let most = shortest + (Double(longestTraining) - shortest) * difficulty
    let open = training.prefix { Double($0[0].steps) <= most }
    var number = generator.integer(in: 0...open.reduce(0) { $0 + $1.count } - 1)
    let group = open.first { group in
      defer { number -= group.count }
      return number < group.count
    }!
    return (0..<count).map { _ in group[generator.integer(in: 0...group.count - 1)] }
  }

  public var atTrainingLengths: EvaluationSet {
    EvaluationSet(name: count >= 10 ? "held back" : "trained on", episodes: heldBack)
  }

  public var beyond: [EvaluationSet] { [] }

  // MARK: Codable

  private enum CodingKeys: String, CodingKey { case path, digest }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    try self.init(path: fields.decode(String.self, forKey: .path))
    guard try fields.decode(String.self, forKey: .digest) == digest else {
      throw TrainingError("\(path) has changed since the run began")
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(path, forKey: .path)
    try fields.encode(digest, forKey: .digest)
  }

  public static func == (a: FileTask, b: FileTask) -> Bool {
    a.path == b.path && a.digest == b.digest
  }
}

/// A sequence as a line of the file says it. In double precision, so that a number that float32 does
/// not reach has a place to be named by.
private struct Line: Decodable {
  let input: [[Double]]
  let target: [[Double]]
  let mask: [Double]?

  /// A misspelt field is noticed: a mask that is not read would train on every step.
  init(from decoder: any Decoder) throws {
    let names = try decoder.container(keyedBy: AnyName.self).allKeys.map(\.stringValue)
    let known: [CodingKeys] = [.input, .target, .mask]
    if let unknown = names.sorted().first(where: { CodingKeys(stringValue: $0) == nil }) {
      throw TrainingError(
        "unknown field \"\(unknown)\"; valid are \(known.map(\.rawValue).joined(separator: ", "))")
    }
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    input = try fields.decode([[Double]].self, forKey: .input)
    target = try fields.decode([[Double]].self, forKey: .target)
    mask = try fields.decodeIfPresent([Double].self, forKey: .mask)
  }

  private enum CodingKeys: String, CodingKey { case input, target, mask }

  private struct AnyName: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  init(_ json: Data, _ place: String) throws(TrainingError) {
    do {
      self = try JSONDecoder().decode(Line.self, from: json)
    } catch let error as DecodingError {
      throw TrainingError("\(place): \(error.summary)")
    } catch {
      throw TrainingError("\(place): \(error)")
    }
  }

  /// - Parameter first: a sequence whose sizes this one must have
  func episode(like first: Episode?, _ place: String) throws(TrainingError) -> Episode {
    guard let inputSize = first?.inputs[0].count ?? input.first?.count, inputSize > 0 else {
      throw TrainingError("\(place): input has no values; it must have one array a step")
    }
    guard let outputSize = first?.targets[0].count ?? target.first?.count, outputSize > 0 else {
      throw TrainingError("\(place): target has no values; it must have one array a step")
    }
    let mask = self.mask ?? input.map { _ in 1 }
    guard !input.isEmpty, target.count == input.count, mask.count == input.count else {
      throw TrainingError(
        "\(place): input has \(input.count) steps, target \(target.count), mask \(mask.count); all "
          + "must have as many, and at least one")
    }
    for (name, rows, size) in [("input", input, inputSize), ("target", target, outputSize)] {
      for (step, values) in rows.enumerated() where values.count != size {
        throw TrainingError("\(place): \(name)[\(step)] has \(values.count) values, not \(size)")
      }
    }
    func floats(_ values: [Double], _ name: String) throws(TrainingError) -> [Float] {
      if let index = values.firstIndex(where: { !Float($0).isFinite }) {
        throw TrainingError(
          "\(place): \(name)[\(index)] is \(values[index]), beyond the largest float32")
      }
      return values.map { Float($0) }
    }
    guard mask.allSatisfy({ $0 >= 0 }) else {
      throw TrainingError("\(place): mask has a negative value")
    }
    var episode = Episode(size: input.count)
    for step in input.indices {
      episode.inputs.append(try floats(input[step], "input[\(step)]"))
      episode.targets.append(try floats(target[step], "target[\(step)]"))
    }
    episode.mask = try floats(mask, "mask")
    return episode
  }
}
