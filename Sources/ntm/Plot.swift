import ArgumentParser
import NTMModel
import NTMTraining

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

struct Plot: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Draw what a model does on one sequence, as the paper's figures do: an SVG file.")

  @Argument(help: "A model file.")
  var model: String

  @OptionGroup var chosen: ChosenTask

  @Option(
    name: .shortAndLong,
    help: "The SVG file to write, - for standard output. (default: <model>-sequence.svg)")
  var output: String?

  @Option(help: "Of the sequence that is drawn.")
  var seed: UInt64 = 1

  func run() throws {
    let name = URL(filePath: model).deletingPathExtension().lastPathComponent
    let path = output == "-" ? "/dev/stdout" : output ?? "\(name)-sequence.svg"
    let target = try OutputFile(path, inputs: [model] + (chosen.task.map { [$0] } ?? []))
    try target.checkWritable()
    let file = try ModelFile.read(model)
    let task = try chosen.task(of: file, model)
    var generator = RandomGenerator(seed: seed)
    // The longest of those that the settings allow: it shows most.
    let candidates = (0..<20).flatMap { _ in
      task.episodes(1, difficulty: 1, using: &generator)
    }
    let episode = candidates.reduce(candidates[0]) { $1.steps > $0.steps ? $1 : $0 }
    let plot: SequencePlot
    do {
      plot = try SequencePlot(
        file.model, episode,
        title: "\(name): \(type(of: task).name), \(type(of: task).sizeName) \(episode.size)")
    } catch {
      throw Failure("\(model): \(error)")
    }
    let svg = Array(plot.svg.utf8)
    if target.isStandardOutput { return try StandardOutput.write(svg) }
    try target.write(svg)
    try StandardOutput.print("\(path): \(episode.steps) steps")
  }
}
