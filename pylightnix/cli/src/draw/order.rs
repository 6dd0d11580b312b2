//! Orders nodes topologically.

/// Returns the edges of an acyclic graph, sorted, without duplicates.
pub(super) fn acyclic(nodes: usize, edges: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut edges: Vec<_> = edges
        .iter()
        .copied()
        .filter(|(from, into)| from != into && *from < nodes && *into < nodes)
        .collect();
    edges.sort_unstable();
    edges.dedup();
    let at = places(&depth_first(nodes, &edges));
    edges.retain(|(from, into)| at[*from] < at[*into]);
    edges
}

/// Returns for each node its dependencies and its dependents, both sorted.
pub(super) fn neighbours(
    nodes: usize,
    edges: &[(usize, usize)],
) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
    let mut into = vec![Vec::new(); nodes];
    let mut out = vec![Vec::new(); nodes];
    let mut edges = edges.to_vec();
    edges.sort_unstable();
    for (from, to) in edges {
        into[to].push(from);
        out[from].push(to);
    }
    (into, out)
}

/// Returns the place of each node in the order.
pub(super) fn places(order: &[usize]) -> Vec<usize> {
    let mut places = vec![0; order.len()];
    for (at, node) in order.iter().enumerate() {
        places[*node] = at;
    }
    places
}

/// Returns for each node of an acyclic graph the number of nodes on the longest path to it.
pub(super) fn depths(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let (into, _) = neighbours(nodes, edges);
    let mut depths = vec![0; nodes];
    for node in depth_first(nodes, edges) {
        let above = into[node].iter().map(|from| depths[*from] + 1).max();
        depths[node] = above.unwrap_or(0);
    }
    depths
}

/// Returns all nodes in depth-first order, each after its dependencies and near them. In a cycle, one
/// edge is ignored.
pub(super) fn depth_first(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let (into, out) = neighbours(nodes, edges);
    let ends = (0..nodes).filter(|node| out[*node].is_empty());
    let mut order = Vec::with_capacity(nodes);
    let mut met = vec![false; nodes];
    let mut path: Vec<(usize, usize)> = Vec::new();
    // A cycle may not be reachable from a node without dependents. In reverse, so that the first node comes first.
    for root in ends.chain((0..nodes).rev()) {
        if !met[root] {
            met[root] = true;
            path.push((root, 0));
        }
        while let Some((node, next)) = path.last_mut() {
            let Some(&from) = into[*node].get(*next) else {
                order.push(*node);
                path.pop();
                continue;
            };
            *next += 1;
            if !met[from] {
                met[from] = true;
                path.push((from, 0));
            }
        }
    }
    order
}
