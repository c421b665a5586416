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
    let file = try ModelFile.read(model)
    let task = try chosen.task(of: file, model)
    var generator = RandomGenerator(seed: seed)
    // The longest of those that the settings allow: it shows most.
    let candidates = (0..<20).flatMap { _ in
      task.episodes(1, difficulty: 1, using: &generator)
    }
    let episode = candidates.reduce(candidates[0]) { $1.steps > $0.steps ? $1 : $0 }
    let name = URL(filePath: model).deletingPathExtension().lastPathComponent
    let plot: SequencePlot
    do {
      plot = try SequencePlot(
        file.model, episode,
        title: "\(name): \(type(of: task).name), \(type(of: task).sizeName) \(episode.size)")
    } catch {
      throw Failure("\(model): \(error)")
    }
    if output == "-" {
      print(plot.svg, terminator: "")
      return
    }
    let path = output ?? "\(name)-sequence.svg"
    do {
      try Data(plot.svg.utf8).write(to: URL(filePath: path.literalPath), options: .atomic)
    } catch {
      throw Failure("\(path) can't be written")
    }
    print("\(path): \(episode.steps) steps")
  }
}
